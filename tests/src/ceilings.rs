//! What a peer may cost at the most: the table that the tests assert and the page of assurance shows.
#![allow(clippy::panic, clippy::unwrap_used)]

/// A row of the table.
pub struct Ceiling {
    /// What the tests call it.
    pub id: &'static str,
    /// Bytes, AWS-LC's and the connection's own struct included.
    pub bytes: i64,
}

/// The row of this name.
pub fn ceiling(id: &str) -> Ceiling {
    let rows = TABLE.lines().filter(|line| !line.starts_with('#'));
    let mut rows = rows.map(|line| line.split('\t').collect::<Vec<_>>());
    let row = rows.find(|cells| cells.first() == Some(&id));
    let Some([id, _, _, bytes, _]) = row.as_deref() else {
        panic!("no ceiling is called {id}");
    };
    let bytes = bytes.replace(',', "").parse().unwrap();
    Ceiling { id, bytes }
}

impl Ceiling {
    /// Says how much is held, and that it is not more.
    #[allow(clippy::print_stdout)]
    pub fn holds(&self, bytes: i64) {
        println!("{}: {bytes} of {} bytes", self.id, self.bytes);
        assert!(bytes > 0, "{}: nothing was measured", self.id);
        assert!(bytes <= self.bytes, "{}: {bytes} bytes", self.id);
    }

    /// The same where it should be nothing at all.
    #[allow(clippy::print_stdout)]
    pub fn leaves(&self, bytes: i64) {
        println!("{}: {bytes} of {} bytes", self.id, self.bytes);
        assert!(bytes <= self.bytes, "{}: {bytes} bytes", self.id);
    }
}

const TABLE: &str = include_str!("../../assurance/ceilings.tsv");
