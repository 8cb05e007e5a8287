//! A UDP socket as QUIC needs it: datagrams in batches, with ECN marks and both addresses.
//!
//! Enters: what the socket received, which the kernel may have joined (GRO), as datagrams of their own. Leaves: a batch of datagrams of one
//! size, which the kernel cuts (GSO) where it can. Addresses are the caller's: an IPv6 socket that also speaks IPv4 has its mapped addresses
//! here and nowhere else. A destination that cannot be reached costs the datagrams that went there and nothing more, since whoever sends
//! from many addresses would end everybody's endpoint otherwise.

use std::io::{self, ErrorKind, IoSliceMut};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::slice::Chunks;

use pith_quic::{Ecn, Route, Transmit};
use quinn_udp::{EcnCodepoint, RecvMeta, UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, Socket, Type};

/// What goes with a socket: what it can do, and room for what it receives. The socket stays the caller's.
pub(crate) struct Udp {
    state: UdpSocketState,
    is_ipv6: bool,
    /// Its own port.
    port: u16,
    scratch: Box<[u8]>,
}

impl Udp {
    /// Makes a socket ready for QUIC, and non-blocking: its datagrams are not fragmented, where the system can do that (rfc9000#14-2,
    /// rfc9000#14-3). `local` is its own address.
    ///
    /// # Errors
    /// Those of the socket.
    pub(crate) fn new<S>(socket: &S, local: SocketAddr) -> io::Result<Self>
    where
        for<'s> UdpSockRef<'s>: From<&'s S>,
    {
        let state = UdpSocketState::new(socket.into())?;
        // As far as the system allows. Less costs speed alone.
        if state.recv_buffer_size(socket.into())? < RECEIVE_BUFFER {
            let _least = state.set_recv_buffer_size(socket.into(), RECEIVE_BUFFER);
        }
        Ok(Self {
            state,
            is_ipv6: local.is_ipv6(),
            port: local.port(),
            scratch: vec![0; MESSAGES.saturating_mul(MESSAGE)].into(),
        })
    }

    /// Hands out what one call to the socket gives, the datagrams together that came so, and says how many they are. With none it is to be called again: what an
    /// earlier datagram met on its way is no error of the socket.
    ///
    /// # Errors
    /// [`ErrorKind::WouldBlock`] if there is nothing, and others if the socket is of no use any more.
    pub(crate) fn receive<S>(
        &mut self,
        socket: &S,
        mut each: impl FnMut(Route, Ecn, Chunks<'_, u8>),
    ) -> io::Result<Received>
    where
        for<'s> UdpSockRef<'s>: From<&'s S>,
    {
        let mut metas = [RecvMeta::default(); MESSAGES];
        let mut messages = self.scratch.chunks_exact_mut(MESSAGE);
        let mut slices: [IoSliceMut<'_>; MESSAGES] =
            std::array::from_fn(|_| IoSliceMut::new(messages.next().unwrap_or_default()));
        let received = match self.state.recv(socket.into(), &mut slices, &mut metas) {
            Ok(received) => received,
            Err(error) if is_of_the_path(&error) => return Ok(Received::default()),
            Err(error) => return Err(error),
        };
        let mut count = 0_usize;
        for (meta, slice) in metas.iter().zip(&slices).take(received) {
            // Nobody can be answered there, and to try would turn segmentation off for all (EINVAL).
            if meta.addr.port() == 0 {
                continue;
            }
            let route = Route {
                local: meta.dst_ip.map(|ip| (ip.to_canonical(), self.port).into()),
                remote: canonical(meta.addr),
            };
            let message = slice.get(..meta.len).unwrap_or_default();
            let datagrams = message.chunks(meta.stride.max(1));
            count = count.saturating_add(datagrams.len());
            each(route, mark_of(meta.ecn), datagrams);
        }
        // Where the system gives one at a time, nothing is known of the next. Behind many that came together more follow, and while the next call looks
        // for them some come: fewer and larger turns, and fewer acknowledgments.
        let most = MESSAGES.min(quinn_udp::BATCH_SIZE);
        Ok(Received {
            datagrams: count,
            is_drained: received < most && count <= received,
        })
    }

    /// Sends `datagrams`, the first [`length`](Transmit::length) bytes of what a connection wrote or what an earlier call left of them, and says how far
    /// it came. Fewer bytes than all mean that the socket is full, and the next call says so. What the socket refuses to send counts as sent: it is
    /// lost, as on the way.
    ///
    /// # Errors
    /// Only [`ErrorKind::WouldBlock`], if the socket takes nothing now.
    pub(crate) fn send<S>(
        &self,
        socket: &S,
        transmit: &Transmit,
        datagrams: &[u8],
    ) -> io::Result<Sent>
    where
        for<'s> UdpSockRef<'s>: From<&'s S>,
    {
        let datagram = quinn_udp::Transmit {
            destination: self.mapped(transmit.route.remote),
            ecn: mark_for(transmit.ecn),
            contents: datagrams,
            segment_size: Some(transmit.segment),
            src_ip: transmit.route.local.map(|own| self.mapped_ip(own.ip())),
        };
        in_batches(
            datagrams,
            transmit.segment,
            || self.state.max_gso_segments(),
            |contents| {
                // Sending there fails (EINVAL), and the socket would take that for a driver that cannot cut.
                if datagram.destination.port() == 0 {
                    return Err(ErrorKind::InvalidInput.into());
                }
                let batch = quinn_udp::Transmit {
                    contents,
                    ..datagram.clone()
                };
                self.state.try_send(socket.into(), &batch)
            },
        )
    }

    fn mapped(&self, address: SocketAddr) -> SocketAddr {
        match address {
            SocketAddr::V4(_) => (self.mapped_ip(address.ip()), address.port()).into(),
            SocketAddr::V6(_) => address, // with its scope
        }
    }

    fn mapped_ip(&self, ip: IpAddr) -> IpAddr {
        match ip {
            IpAddr::V4(v4) if self.is_ipv6 => v4.to_ipv6_mapped().into(),
            ip => ip,
        }
    }
}

/// Makes so many sockets, at least one, that share one address: the system spreads over them what comes, by where it comes from.
///
/// # Errors
/// Those of the sockets, and [`ErrorKind::Unsupported`] where sockets cannot share.
pub(crate) fn shared(local: impl ToSocketAddrs, sockets: u16) -> io::Result<Vec<UdpSocket>> {
    let mut failed = None;
    for mut address in local.to_socket_addrs()? {
        let first = match sharing(address) {
            Ok(first) => first,
            Err(error) => {
                failed = Some(error);
                continue;
            }
        };
        address.set_port(first.local_addr()?.port());
        let mut all = vec![first];
        for _ in 1..sockets {
            all.push(sharing(address)?);
        }
        return Ok(all);
    }
    let none = || io::Error::new(ErrorKind::InvalidInput, "the name has no address");
    Err(failed.unwrap_or_else(none))
}

/// Makes the sockets of so many workers, at least one: for each worker one at each address, which several workers share.
///
/// # Errors
/// As [`shared`].
pub(crate) fn at_each(locals: &[SocketAddr], workers: u16) -> io::Result<Vec<Vec<UdpSocket>>> {
    let mut all: Vec<Vec<_>> = (0..workers.max(1)).map(|_| Vec::new()).collect();
    for local in locals {
        let sockets = if workers > 1 {
            shared(local, workers)?
        } else {
            vec![alone(*local)?]
        };
        all.iter_mut()
            .zip(sockets)
            .for_each(|(own, socket)| own.push(socket));
    }
    Ok(all)
}

#[expect(
    clippy::disallowed_methods,
    reason = "an adapter owns the sockets that the core has none of"
)]
fn alone(local: SocketAddr) -> io::Result<UdpSocket> {
    UdpSocket::bind(local)
}

fn sharing(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    // A port that is any must be free: only then it is shared, lest it is another program's.
    let any = address.port() == 0;
    if !any {
        share(&socket)?;
    }
    socket.bind(&address.into())?;
    if any {
        share(&socket)?;
    }
    Ok(socket.into())
}

#[cfg(all(
    unix,
    not(any(
        target_os = "solaris",
        target_os = "illumos",
        target_os = "cygwin",
        target_os = "wasi"
    ))
))]
fn share(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_port(true)
}

#[cfg(not(all(
    unix,
    not(any(
        target_os = "solaris",
        target_os = "illumos",
        target_os = "cygwin",
        target_os = "wasi"
    ))
)))]
fn share(_: &Socket) -> io::Result<()> {
    let why =
        "this system does not spread datagrams over sockets that share an address: use one worker";
    Err(io::Error::new(ErrorKind::Unsupported, why))
}

/// What a call to a socket gave.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) datagrams: usize,
    /// Whether the socket had no more: what comes after that makes it ready anew.
    pub(crate) is_drained: bool,
}

/// How far a batch came.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Bytes that need not be given again.
    pub(crate) bytes: usize,
    /// Datagrams among them that the socket refused.
    pub(crate) lost: u64,
    /// Bytes of one that it refused for its length: more than the interface takes. What ICMP messages say of the rest of the path is not heard, for the
    /// sockets are set to look at the interface alone.
    pub(crate) too_large: Option<usize>,
}

impl Sent {
    /// All of them, which are so many bytes.
    pub(crate) fn all(bytes: usize) -> Self {
        Self {
            bytes,
            ..Self::default()
        }
    }
}

/// Sends datagrams in as few pieces as `most` allows, until the socket is full.
fn in_batches(
    datagrams: &[u8],
    segment: usize,
    most: impl Fn() -> usize,
    mut send: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<Sent> {
    let segment = segment.max(1);
    let mut progress = Sent::default();
    while let Some(rest) = datagrams.get(progress.bytes..) {
        if rest.is_empty() {
            break;
        }
        let pieces = most().min(LARGEST.checked_div(segment).unwrap_or(1)).max(1);
        let batch = rest.get(..segment.saturating_mul(pieces)).unwrap_or(rest);
        match send(batch) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if progress.bytes == 0 {
                    return Err(error);
                }
                break;
            }
            // A driver that cannot cut: the same again, one by one.
            Err(_) if batch.len() > segment && most() < pieces => continue,
            Err(error) => {
                if error.raw_os_error() == Some(EMSGSIZE) {
                    progress.too_large = Some(batch.len().min(segment));
                }
                let lost = u64::try_from(batch.len().div_ceil(segment)).unwrap_or(u64::MAX);
                progress.lost = progress.lost.saturating_add(lost);
            }
        }
        progress.bytes = progress.bytes.saturating_add(batch.len());
    }
    Ok(progress)
}

/// Whether an error tells of a datagram that was sent earlier: ICMP messages come out of whatever call is next.
fn is_of_the_path(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionReset
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::Interrupted
    )
}

fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        ip @ IpAddr::V4(_) => (ip, address.port()).into(),
        IpAddr::V6(_) => address,
    }
}

fn mark_of(ecn: Option<EcnCodepoint>) -> Ecn {
    match ecn {
        None => Ecn::NotEct,
        Some(EcnCodepoint::Ect0) => Ecn::Ect0,
        Some(EcnCodepoint::Ect1) => Ecn::Ect1,
        Some(EcnCodepoint::Ce) => Ecn::Ce,
    }
}

fn mark_for(ecn: Ecn) -> Option<EcnCodepoint> {
    match ecn {
        Ecn::NotEct => None,
        Ecn::Ect0 => Some(EcnCodepoint::Ect0),
        Ecn::Ect1 => Some(EcnCodepoint::Ect1),
        Ecn::Ce => Some(EcnCodepoint::Ce),
    }
}

/// What the system says of a datagram that is too long.
#[cfg(any(target_os = "linux", target_os = "android"))]
const EMSGSIZE: i32 = 90;
#[cfg(windows)]
const EMSGSIZE: i32 = 10040;
#[cfg(not(any(target_os = "linux", target_os = "android", windows)))]
const EMSGSIZE: i32 = 40;

/// Messages that one call receives; each may be many datagrams.
const MESSAGES: usize = 4;

/// Bytes of a message at most: what the kernel joins is no longer than one datagram may be.
const MESSAGE: usize = 1 << 16;

/// Bytes that a socket keeps for who does not come to read: what a gigabit a second brings in some 15 ms. Of the 208 KiB that Linux gives by itself five
/// batches of a sender are too many, and what is over is lost.
const RECEIVE_BUFFER: usize = 1 << 21;

/// Bytes that one call sends at most: what the kernel cuts must fit a datagram of the larger header.
const LARGEST: usize = (1 << 16) - 1 - 40 - 8;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::disallowed_methods)]
mod tests {
    use std::time::Duration;

    use super::*;

    type Got = (Route, Ecn, Vec<u8>);

    struct Bound {
        socket: UdpSocket,
        udp: Udp,
        address: SocketAddr,
    }

    fn bound(address: &str) -> Option<Bound> {
        let socket = UdpSocket::bind(address).ok()?; // a machine may have no IPv6
        let address = socket.local_addr().unwrap();
        let udp = Udp::new(&socket, address).unwrap();
        Some(Bound {
            socket,
            udp,
            address,
        })
    }

    impl Bound {
        fn send(&self, route: Route, ecn: Ecn, segment: usize, bytes: &[u8]) -> Sent {
            let transmit = Transmit {
                route,
                ecn,
                segment,
                length: bytes.len(),
            };
            let sent = self.udp.send(&self.socket, &transmit, bytes).unwrap();
            assert_eq!(sent.bytes, bytes.len());
            sent
        }

        /// Waits for so many datagrams, for ten seconds each.
        fn receive(&mut self, count: usize) -> Vec<Got> {
            let mut got = Vec::new();
            while got.len() < count {
                self.socket.set_nonblocking(false).unwrap();
                let limit = Some(Duration::from_secs(10));
                self.socket.set_read_timeout(limit).unwrap();
                self.socket.peek_from(&mut [0; 16]).unwrap();
                self.socket.set_nonblocking(true).unwrap();
                self.receive_now(&mut got);
            }
            got
        }

        fn receive_now(&mut self, got: &mut Vec<Got>) {
            let each = |route, ecn, datagrams: Chunks<'_, u8>| {
                got.extend(datagrams.map(|datagram| (route, ecn, datagram.to_vec())));
            };
            if let Err(error) = self.udp.receive(&self.socket, each) {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
            }
        }
    }

    fn to(remote: SocketAddr) -> Route {
        Route {
            local: None,
            remote,
        }
    }

    fn bytes(count: usize) -> Vec<u8> {
        (0..count).map(|at| (at % 251) as u8).collect()
    }

    /// (name, where the sender is bound, where the receiver is, the address that it is sent to, where that sees it come from)
    const PATHS: &[(&str, &str, &str, &str, &str)] = &[
        ("v4", "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1", "127.0.0.1"),
        ("v6", "[::1]:0", "[::1]:0", "::1", "::1"),
        (
            "v4 to both",
            "127.0.0.1:0",
            "[::]:0",
            "127.0.0.1",
            "127.0.0.1",
        ),
        (
            "both to v4",
            "[::]:0",
            "127.0.0.1:0",
            "127.0.0.1",
            "127.0.0.1",
        ),
        ("both to v6", "[::]:0", "[::1]:0", "::1", "::1"),
        (
            "both to both over v4",
            "[::]:0",
            "[::]:0",
            "127.0.0.1",
            "127.0.0.1",
        ),
        (
            "any v4 to another of its addresses",
            "0.0.0.0:0",
            "0.0.0.0:0",
            "127.0.0.2",
            "127.0.0.1",
        ),
    ];

    #[test]
    fn batches_arrive_as_datagrams_with_marks_and_addresses_and_are_answered_from_there() {
        for (name, from, at, ip, seen) in PATHS {
            let (Some(mut sender), Some(mut receiver)) = (bound(from), bound(at)) else {
                println!("SKIPPED: udp_ipv6: no IPv6 for {name}");
                continue;
            };
            let remote = (ip.parse::<IpAddr>().unwrap(), receiver.address.port()).into();
            let data = bytes(1200 * 4 + 77);
            for ecn in [Ecn::NotEct, Ecn::Ect0, Ecn::Ect1, Ecn::Ce] {
                sender.send(to(remote), ecn, 1200, &data);
                let got = receiver.receive(5);
                assert_eq!(got.len(), 5, "{name}");
                let want = Route {
                    local: Some(remote),
                    remote: (seen.parse::<IpAddr>().unwrap(), sender.address.port()).into(),
                };
                for (part, (route, mark, datagram)) in data.chunks(1200).zip(&got) {
                    assert_eq!((*route, *mark), (want, ecn), "{name}");
                    assert_eq!(datagram, part, "{name}");
                }
                // The answer comes from the address that was asked, though the socket may have others.
                receiver.send(got[0].0, ecn, 100, b"yes");
                let (route, mark, datagram) = sender.receive(1).remove(0);
                assert_eq!((route.remote, mark), (remote, ecn), "{name}");
                assert_eq!(datagram, b"yes", "{name}");
            }
        }
    }

    #[test]
    fn a_batch_past_what_the_kernel_cuts_at_once_arrives_whole_and_in_order() {
        // (name, bytes of a datagram, datagrams): past 64 pieces, and past 65,535 bytes
        for (name, segment, count) in [("pieces", 50, 150), ("bytes", 1400, 100)] {
            let (sender, mut receiver) =
                (bound("127.0.0.1:0").unwrap(), bound("127.0.0.1:0").unwrap());
            let data = bytes(segment * count - 7);
            let sent = sender.send(to(receiver.address), Ecn::Ect0, segment, &data);
            assert_eq!(sent.lost, 0, "{name}");
            let got = receiver.receive(count);
            assert_eq!(got.len(), count, "{name}");
            for (part, (_, _, datagram)) in data.chunks(segment).zip(&got) {
                assert_eq!(datagram, part, "{name}");
            }
        }
    }

    #[test]
    fn what_one_destination_refuses_is_lost_and_the_socket_goes_on() {
        let (sender, mut receiver) = (bound("127.0.0.1:0").unwrap(), bound("127.0.0.1:0").unwrap());
        let before = sender.udp.state.max_gso_segments();
        let closed = bound("127.0.0.1:0").unwrap().address;
        let zero = "127.0.0.1:0".parse().unwrap();
        let other = "[::1]:4433".parse().unwrap();
        let all = "255.255.255.255:4433".parse().unwrap();
        // (name, destination, bytes of a datagram, bytes, how many are lost, the length of one that was too large)
        let cases: [(&str, SocketAddr, usize, usize, u64, Option<usize>); 6] = [
            ("port zero", zero, 1200, 2400, 2, None),
            (
                "more than a datagram can be",
                receiver.address,
                70_000,
                70_000,
                1,
                Some(70_000),
            ),
            (
                "more than IPv4 carries",
                receiver.address,
                65_508,
                65_508,
                1,
                Some(65_508),
            ),
            ("a port where nobody listens", closed, 1200, 2400, 0, None),
            ("an address of the other family", other, 1200, 3000, 3, None),
            ("a broadcast address", all, 1200, 1200, 1, None),
        ];
        for (name, remote, segment, count, lost, too_large) in cases {
            let sent = sender.send(to(remote), Ecn::Ect0, segment, &bytes(count));
            assert_eq!((sent.lost, sent.too_large), (lost, too_large), "{name}");
            sender.send(to(receiver.address), Ecn::Ect0, 1200, &bytes(1800));
            let got = receiver.receive(2);
            assert_eq!(
                got.iter().map(|got| got.2.len()).collect::<Vec<_>>(),
                [1200, 600],
                "{name}"
            );
            assert_eq!(got[1].1, Ecn::Ect0, "{name}");
        }
        assert_eq!(sender.udp.state.max_gso_segments(), before);
    }

    #[test]
    fn a_batch_goes_on_where_the_socket_was_full_and_one_by_one_where_it_cannot_be_cut() {
        use std::cell::Cell;
        /// What the socket says: it takes this, is full, has no way there, or cannot cut.
        #[derive(Clone, Copy)]
        enum Says {
            Yes,
            Full,
            No,
            Whole,
        }
        use Says::{Full, No, Whole, Yes};
        // (name, what it says in turn, the lengths that it was given, how far it came: bytes, lost)
        type Case = (
            &'static str,
            &'static [Says],
            &'static [usize],
            Option<(usize, u64)>,
        );
        let cases: &[Case] = &[
            ("all", &[Yes, Yes, Yes], &[40, 40, 15], Some((95, 0))),
            ("full at once", &[Full], &[40], None),
            ("full later", &[Yes, Full], &[40, 40], Some((40, 0))),
            ("no way", &[No, No, No], &[40, 40, 15], Some((95, 10))),
            ("a way later", &[No, Yes, Yes], &[40, 40, 15], Some((95, 4))),
            ("lost, then full", &[No, Full], &[40, 40], Some((40, 4))),
            (
                "cannot cut",
                &[Whole, Yes, Yes, No, Yes, Yes, Yes, Yes, Yes, Yes, Yes],
                &[40, 10, 10, 10, 10, 10, 10, 10, 10, 10, 5],
                Some((95, 1)),
            ),
            (
                "cannot cut, and full",
                &[Yes, Whole, Yes, Full],
                &[40, 40, 10, 10],
                Some((50, 0)),
            ),
        ];
        let data = bytes(95);
        for (name, says, want, progress) in cases {
            let (most, mut says, mut given) = (Cell::new(4), says.iter(), Vec::new());
            let got = in_batches(
                &data,
                10,
                || most.get(),
                |batch| {
                    given.push(batch.len());
                    match says.next().unwrap() {
                        Yes => Ok(()),
                        Full => Err(ErrorKind::WouldBlock.into()),
                        No => Err(ErrorKind::NetworkUnreachable.into()),
                        Whole => {
                            most.set(1);
                            Err(io::Error::from_raw_os_error(5))
                        }
                    }
                },
            );
            assert_eq!(given, *want, "{name}");
            let got = got
                .map(|got| (got.bytes, got.lost))
                .map_err(|error| error.kind());
            assert_eq!(got, progress.ok_or(ErrorKind::WouldBlock), "{name}");
        }
    }

    #[test]
    fn datagrams_are_not_fragmented() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Some(bound) = bound(address) else {
                continue;
            };
            let settable = cfg!(any(target_os = "linux", target_os = "windows"));
            assert!(!settable || !bound.udp.state.may_fragment(), "{address}");
        }
    }

    #[test]
    fn a_socket_keeps_as_much_as_the_system_lets_it() {
        let (asks, has) = (
            UdpSocket::bind("127.0.0.1:0").unwrap(),
            bound("127.0.0.1:0").unwrap(),
        );
        let asks = Socket::from(asks);
        asks.set_recv_buffer_size(RECEIVE_BUFFER).unwrap();
        let most = asks.recv_buffer_size().unwrap();
        let socket = Socket::from(has.socket);
        assert_eq!(socket.recv_buffer_size().unwrap(), most);
        // Who has set more keeps it.
        socket.set_recv_buffer_size(RECEIVE_BUFFER << 1).unwrap();
        let more = socket.recv_buffer_size().unwrap();
        Udp::new(&socket, has.address).unwrap();
        assert_eq!(socket.recv_buffer_size().unwrap(), more);
    }

    #[test]
    fn an_empty_datagram_is_none() {
        let (sender, mut receiver) = (bound("127.0.0.1:0").unwrap(), bound("127.0.0.1:0").unwrap());
        sender.socket.send_to(&[], receiver.address).unwrap();
        sender.socket.send_to(b"after", receiver.address).unwrap();
        let got = receiver.receive(1);
        assert_eq!(got[0].2, b"after");
    }
}
