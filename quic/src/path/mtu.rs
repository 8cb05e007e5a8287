//! How long datagrams may be on a path (DPLPMTUD, RFC 8899 with RFC 9000 section 14.3): a search by probes, and what says that it is true no more.
//!
//! A probe is a datagram of PING and PADDING that is longer than what is known to arrive. What most paths carry is tried first, then the most that may
//! be, and then the middle of what is left. Only an acknowledgment makes datagrams longer, so nobody on the way can. ICMP messages are not heard at
//! all (attack A51): what they would tell shows in what is lost. A path carries less than it did if long packets are lost time after time, in bursts
//! without a short one, and none as long arrives: congestion drops short ones too, and lets some long ones through.
//!
//! No timer belongs to it. A search goes on where a connection sends or receives, so one that has nothing to say is not woken to find out how.

use core::time::Duration;

use crate::limits;

/// A search, and the size that is in use.
#[derive(Debug)]
pub(crate) struct Search {
    /// Bytes that a datagram may have.
    size: u16,
    /// The longest that is worth a probe: what the configuration says and the peer takes.
    most: u16,
    /// The shortest that is known not to arrive; [`u16::MAX`] if none is.
    refused: u16,
    /// The probe that is on its way; 0 for none.
    probe: u16,
    /// The shortest packet of those bursts.
    suspect: u16,
    /// Bursts of losses of long packets alone, since one as long arrived.
    bursts: u8,
    /// Probes of this size that were lost.
    tries: u8,
    phase: Phase,
    /// Whether something else has gone out since the last.
    pub(crate) is_next: bool,
    /// When a search that rests goes on, in seconds.
    again_at: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No probe may go out yet.
    Held,
    Goes,
    /// Nothing is left to be tried before a path has had the time to change.
    Rests,
}

impl Search {
    /// Of a connection's first path, of which nothing is known but that it carries what every path does. No probe is longer than `most`, and none goes out
    /// before the search [begins](Search::begin).
    pub(crate) fn new(most: u16) -> Self {
        Self {
            size: BASE,
            most,
            refused: u16::MAX,
            probe: 0,
            suspect: u16::MAX,
            bursts: 0,
            tries: 0,
            phase: Phase::Held,
            is_next: false,
            again_at: 0,
        }
    }

    /// Of another path of the same connection.
    pub(crate) fn again(&self) -> Self {
        Self {
            phase: match self.phase {
                Phase::Held => Phase::Held,
                Phase::Goes | Phase::Rests => Phase::Goes,
            },
            size: BASE.min(self.most),
            ..Self::new(self.most)
        }
    }

    /// Bytes that a datagram may have.
    pub(crate) fn size(&self) -> u16 {
        self.size
    }

    /// Whether it may be that long datagrams do not arrive any more.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.bursts > 0
    }

    /// The peer takes no longer datagrams.
    pub(crate) fn limit(&mut self, most: u16) {
        self.most = self.most.min(most);
        self.size = self.size.min(most);
    }

    /// Probes delay nothing any more that matters.
    pub(crate) fn begin(&mut self) {
        if self.phase == Phase::Held {
            self.phase = Phase::Goes;
        }
    }

    /// How long the next probe is to be, if one is to be sent.
    pub(crate) fn wanted(&mut self, now: Duration) -> Option<u16> {
        if self.probe > 0 || self.size >= self.most {
            return None;
        }
        match self.phase {
            Phase::Held => return None,
            Phase::Rests if now.as_secs() < self.again_at.into() => return None,
            // A path may change (RFC 8899 section 5.3.3).
            Phase::Rests => (self.refused, self.phase) = (u16::MAX, Phase::Goes),
            Phase::Goes => {}
        }
        let next = self.next();
        if next.is_none() {
            let again_at = now.saturating_add(limits::MTU_TIME).as_secs();
            self.again_at = u32::try_from(again_at).unwrap_or(u32::MAX);
            self.phase = Phase::Rests;
        }
        next
    }

    fn next(&self) -> Option<u16> {
        // Most paths carry this, and where more is to be tried a probe of it fits no window that is still small.
        let usual = limits::MTU.min(self.most);
        let first = if self.size < usual { usual } else { self.most };
        if self.refused > first {
            return Some(first);
        }
        let left = self.refused.saturating_sub(self.size);
        (left > limits::MTU_STEP).then(|| self.size.saturating_add(left >> 1))
    }

    pub(crate) fn on_sent(&mut self, size: u16) {
        (self.probe, self.is_next) = (size, false);
    }

    /// A probe has arrived, in time or late. Says whether datagrams may be longer now.
    pub(crate) fn on_acked(&mut self, size: u16) -> bool {
        self.settle(size);
        let rises = size > self.size && size <= self.most;
        if rises {
            self.size = size;
            self.tries = 0;
            if self.refused <= size {
                self.refused = u16::MAX;
            }
        }
        rises
    }

    /// A probe was lost, or is late.
    pub(crate) fn on_lost(&mut self, size: u16) {
        if !self.settle(size) {
            return;
        }
        self.tries = self.tries.saturating_add(1);
        if self.tries >= limits::MTU_PROBES {
            self.refuse(size);
        }
    }

    /// What became of other packets: the longest that arrived, and the shortest that was lost. Says whether datagrams have to be short from now on.
    pub(crate) fn on_outcome(&mut self, arrived: u16, lost: Option<u16>) -> bool {
        if self.size <= BASE {
            return false;
        }
        if arrived >= self.suspect {
            self.trust();
        }
        let Some(lost) = lost.filter(|lost| *lost > arrived.max(BASE)) else {
            return false;
        };
        self.bursts = self.bursts.saturating_add(1);
        self.suspect = self.suspect.min(lost);
        let black_hole = self.bursts >= limits::MTU_BURSTS;
        if black_hole {
            self.refuse(self.size);
            self.fall();
        }
        black_hole
    }

    /// The socket does not take datagrams of this size. Says whether they have to be shorter from now on.
    pub(crate) fn on_too_large(&mut self, size: u16) -> bool {
        if self.probe >= size {
            self.probe = 0;
        }
        self.refuse(size);
        let falls = self.size >= size;
        if falls {
            self.fall();
        }
        falls
    }

    fn refuse(&mut self, size: u16) {
        self.refused = self.refused.min(size);
        self.tries = 0;
    }

    fn fall(&mut self) {
        self.size = BASE.min(self.most);
        self.phase = Phase::Goes;
        self.trust();
    }

    fn trust(&mut self) {
        (self.bursts, self.suspect) = (0, u16::MAX);
    }

    /// Whether it was the probe that is on its way.
    fn settle(&mut self, size: u16) -> bool {
        let is_probe = self.probe == size;
        if is_probe {
            self.probe = 0;
        }
        is_probe
    }
}

/// What every path carries ([`limits::DATAGRAM`]).
pub(crate) const BASE: u16 = 1200;

#[cfg(test)]
mod tests {
    use super::*;

    const T: Duration = Duration::from_secs(1);

    fn begun(most: u16) -> Search {
        let mut search = Search::new(most);
        assert_eq!(search.wanted(T), None, "not before it begins");
        search.begin();
        search
    }

    /// Searches on a path that carries so much, and gives the probes.
    fn search(search: &mut Search, carries: u16, now: Duration) -> Vec<u16> {
        let mut probes = Vec::new();
        while let Some(size) = search.wanted(now) {
            assert!(size > search.size());
            search.on_sent(size);
            assert_eq!(search.wanted(now), None, "one at a time");
            probes.push(size);
            if size <= carries {
                assert!(search.on_acked(size));
            } else {
                search.on_lost(size);
            }
        }
        probes
    }

    #[test]
    fn a_search_finds_what_a_path_carries_in_few_probes() {
        assert_eq!(usize::from(BASE), limits::DATAGRAM);
        // (the longest that is tried, what the path carries, the least that is found, the most probes)
        let rows = [
            (1452, 1500, 1452, 1),
            (1452, 1400, 1381, 11),
            (1452, 1280, 1261, 11),
            (1452, 1200, 1200, 15),
            (1200, 1500, 1200, 0),
            (1300, 1500, 1300, 1),
            (9000, 9000, 9000, 2),
            (9000, 1472, 1453, 29),
            (9000, 1400, 1381, 11),
            (65_527, 65_507, 65_488, 20),
            (u16::MAX, 1200, 1200, 15),
        ];
        for (most, carries, least, few) in rows {
            let mut state = begun(most);
            let probes = search(&mut state, carries, T);
            let (name, found) = ((most, carries), state.size());
            assert!(
                (least..=carries).contains(&found),
                "{name:?}: {found} {probes:?}"
            );
            assert!(probes.len() <= few, "{name:?}: {probes:?}");
            // It is not tried again for long, and then from the top.
            let later = T + limits::MTU_TIME;
            assert_eq!(state.wanted(later - Duration::from_nanos(1)), None);
            let again = state.wanted(later);
            assert_eq!(again.is_some(), found < most, "{name:?}");
            assert!(again.is_none_or(|again| again > carries), "{name:?}");
        }
    }

    #[test]
    fn a_search_is_over_where_what_is_left_is_not_worth_a_probe() {
        for (left, is_over) in [(limits::MTU_STEP, true), (limits::MTU_STEP + 1, false)] {
            let mut state = begun(BASE + left);
            assert!(!state.on_too_large(BASE + left));
            assert_eq!(state.wanted(T).is_none(), is_over, "{left}");
        }
    }

    #[test]
    fn a_probe_that_is_late_counts_and_no_size_falls_by_its_loss() {
        let mut state = begun(1452);
        let size = state.wanted(T).unwrap();
        for tries in 1..=limits::MTU_PROBES {
            assert_eq!(state.wanted(T), Some(size), "{tries}");
            state.on_sent(size);
            state.on_lost(size);
            state.on_lost(size);
            assert_eq!(state.size(), BASE);
        }
        assert!(state.wanted(T).unwrap() < size);
        assert!(state.on_acked(size) && state.size() == size);
        assert!(!state.on_acked(size), "twice");
        assert!(!state.on_acked(size + 1), "longer than what was ever sent");
    }

    #[test]
    fn a_size_that_was_given_up_and_arrives_after_all_bounds_the_search_no_more() {
        let mut state = begun(9000);
        let size = state.wanted(T).unwrap();
        for _ in 0..limits::MTU_PROBES {
            state.on_sent(size);
            state.on_lost(size);
        }
        assert!(state.wanted(T).unwrap() < size);
        assert!(state.on_acked(size));
        assert_eq!(state.wanted(T), Some(9000));
    }

    #[test]
    fn only_bursts_of_long_packets_alone_are_a_black_hole() {
        const LONG: u16 = limits::MTU;
        let most = limits::MTU_BURSTS;
        // (name, what happens each time: the longest that arrives and the shortest that is lost, whether that ends it)
        let rows: &[(&str, &[(u16, Option<u16>)], bool)] = &[
            ("long ones alone", &[(0, Some(LONG))], true),
            ("while short ones arrive", &[(BASE, Some(LONG))], true),
            ("while shorter ones arrive", &[(1300, Some(LONG))], true),
            (
                "while shorter ones arrive in between",
                &[(0, Some(LONG)), (LONG - 1, None)],
                true,
            ),
            ("a short one among them", &[(0, Some(BASE))], false),
            ("some arrive", &[(LONG, Some(LONG)), (LONG, None)], false),
            (
                "one arrives now and then",
                &[(0, Some(LONG)), (LONG, None)],
                false,
            ),
            (
                "one arrives that is as long as the shortest that was lost",
                &[(0, Some(LONG)), (0, Some(1300)), (1300, None)],
                false,
            ),
            ("nothing is lost", &[(LONG, None)], false),
        ];
        for (name, steps, ends) in rows {
            let mut state = begun(LONG);
            search(&mut state, 1500, T);
            assert_eq!(state.size(), LONG);
            let mut ended = 0_u8;
            for count in 1..=most {
                for (arrived, lost) in *steps {
                    if state.on_outcome(*arrived, *lost) {
                        ended = count;
                    }
                    let last = *arrived < LONG && lost.is_some_and(|lost| lost > BASE);
                    assert_eq!(state.is_in_doubt(), ended == 0 && (last || *ends), "{name}");
                }
            }
            assert_eq!(ended, if *ends { most } else { 0 }, "{name}");
            assert_eq!(state.size(), if *ends { BASE } else { LONG }, "{name}");
            // What is shorter is found again.
            if *ends {
                search(&mut state, 1300, T);
                let found = state.size();
                assert!((1280..=1300).contains(&found), "{name}: {found}");
            }
        }
    }

    #[test]
    fn a_size_that_the_socket_refuses_is_not_tried_again() {
        let mut state = begun(1452);
        let size = state.wanted(T).unwrap();
        state.on_sent(size);
        assert!(!state.on_too_large(size));
        let probes = search(&mut state, 1400, T);
        assert!(probes.iter().all(|probe| *probe < size), "{probes:?}");
        let found = state.size();
        assert!(state.on_too_large(found), "an interface that got smaller");
        assert_eq!(state.size(), BASE);
        let next = state.wanted(T);
        assert!(next.is_some_and(|next| next < found), "at once: {next:?}");
    }

    #[test]
    fn what_the_peer_takes_is_the_most_on_all_paths() {
        for (limit, found) in [(1500, 1452), (1300, 1300), (1200, 1200)] {
            let mut state = begun(1452);
            state.limit(limit);
            for mut state in [state.again(), state] {
                assert_eq!(state.size(), BASE);
                search(&mut state, 1500, T);
                assert_eq!(state.size(), found);
            }
        }
    }
}
