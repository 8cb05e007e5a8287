//! The recovery period of a path (RFC 9002 section 7.3.2), and whether what it is for was a loss at all.
//!
//! The losses of a period are counted, and those of them that arrive after all. If all do, and nothing else spoke of congestion, the
//! controller takes the period back.

/// A recovery period, and whether its losses turn out to have been none.
#[derive(Debug, Default)]
pub(super) struct Period {
    pub(super) number: u32,
    pub(super) lost: u32,
    late: u32,
    /// Whether anything but lost packets speaks of congestion.
    pub(super) certain: bool,
}

impl Period {
    pub(super) fn begin(&mut self) {
        *self = Self {
            number: self.number.saturating_add(1),
            ..Self::default()
        };
    }

    /// Nothing of the period can be taken back any more.
    pub(super) fn forget(&mut self) {
        self.begin();
        self.certain = true;
    }

    pub(super) fn on_late(&mut self, period: Option<u32>) {
        if period == Some(self.number) {
            self.late = self.late.saturating_add(1);
        }
    }

    pub(super) fn is_spurious(&self) -> bool {
        !self.certain && self.lost > 0 && self.late == self.lost
    }
}
