//! Packet number spaces, and the types of packets that hold frames (RFC 9000 sections 12.3 and 12.4).

/// A packet number space. 0-RTT and 1-RTT packets share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Space {
    /// Of Initial packets.
    Initial,
    /// Of Handshake packets.
    Handshake,
    /// Of 0-RTT and 1-RTT packets.
    Application,
}

/// A type of packet that is protected and holds frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PacketType {
    /// The first of each side.
    Initial,
    /// Early data.
    ZeroRtt,
    /// The rest of the handshake.
    Handshake,
    /// Everything after it.
    OneRtt,
}

impl Space {
    pub(crate) const ALL: [Self; 3] = [Self::Initial, Self::Handshake, Self::Application];
}

impl PacketType {
    pub(crate) const ALL: [Self; 4] = [Self::Initial, Self::ZeroRtt, Self::Handshake, Self::OneRtt];

    /// The space that its packets are numbered in.
    #[must_use]
    pub fn space(self) -> Space {
        match self {
            Self::Initial => Space::Initial,
            Self::Handshake => Space::Handshake,
            Self::ZeroRtt | Self::OneRtt => Space::Application,
        }
    }
}

/// One thing for each packet number space.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PerSpace<T> {
    initial: T,
    handshake: T,
    application: T,
}

impl<T> PerSpace<T> {
    pub(crate) fn new(mut make: impl FnMut(Space) -> T) -> Self {
        Self {
            initial: make(Space::Initial),
            handshake: make(Space::Handshake),
            application: make(Space::Application),
        }
    }

    pub(crate) fn get(&self, space: Space) -> &T {
        match space {
            Space::Initial => &self.initial,
            Space::Handshake => &self.handshake,
            Space::Application => &self.application,
        }
    }

    pub(crate) fn get_mut(&mut self, space: Space) -> &mut T {
        match space {
            Space::Initial => &mut self.initial,
            Space::Handshake => &mut self.handshake,
            Space::Application => &mut self.application,
        }
    }
}
