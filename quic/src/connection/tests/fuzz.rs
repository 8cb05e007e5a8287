//! Any frames under the right keys: a peer who is who he says and does what he likes, in packets of every level, from the first moment on.
//!
//! No AEAD stands in the way, since packets are sealed by the peer's own connection. Whatever comes, nothing panics or is kept busy, the other side closes
//! with an error that the peer hears, and what it holds stays within its bounds.

use core::net::SocketAddrV4;
use std::sync::LazyLock;

use bolero::TypeGenerator;
use pith_tls::Group;

use super::*;
use crate::wire::frame::Row;
use crate::wire::{Builder, Space};

const SCENES: usize = 400;

/// Made once, and not with certificates of its own for each scene. By whether the client offers X25519 alone, whose hello fits one
/// datagram, or what it does by default, and by whether the server would rather be elsewhere.
static CONFIGS: LazyLock<[[(ClientConfig, ServerConfig); 2]; 2]> = LazyLock::new(|| {
    let pki = Pki::with(Kind::Ed25519, 0);
    let leaf = pki.leaf_with(Kind::Ed25519, &[NAME], |_| ());
    [Some(&[Group::X25519][..]), None].map(|groups| {
        [None, Some(PREFERRED)].map(|preferred| {
            let mut client = pith_tls::ClientConfig::new(trust(&pki)).alpn(&[b"test"]);
            if let Some(groups) = groups {
                client = client.groups(groups);
            }
            let server = pith_tls::ServerConfig::new(credential(&leaf)).alpn(&[b"test"]);
            let client = ClientConfig::new(client.build().unwrap()).seed([1; 32]);
            let server = ServerConfig::new(server.build().unwrap()).seed([2; 32]);
            let server = server.preferred_address(preferred, None);
            (
                client.mtu(1200).datagrams(1000).build().unwrap(),
                server.mtu(1200).datagrams(1000).build().unwrap(),
            )
        })
    })
});

/// Where half of the servers would rather be.
const PREFERRED: SocketAddrV4 = SocketAddrV4::new(core::net::Ipv4Addr::new(127, 0, 0, 2), 4433);

/// One packet, or time that passes.
#[derive(Debug, TypeGenerator)]
enum Act {
    Frames {
        client: bool,
        space: u8,
        frames: Vec<Piece>,
    },
    Bytes {
        client: bool,
        space: u8,
        bytes: Vec<u8>,
    },
    /// What the application does meanwhile.
    Use {
        client: bool,
        what: u8,
        stream: u8,
    },
    Wait {
        milliseconds: u8,
    },
}

/// A frame of a type of the table, with values that are likely to mean something, and some that are likely not to.
#[derive(Debug, TypeGenerator)]
struct Piece {
    kind: u8,
    values: [u8; 4],
    data: Vec<u8>,
}

/// What a frame holds behind its type: `v` for a number, `a` for one that is not above the last, `0` for nothing more, `s` for a stream that the sender of
/// the frame sends on, `b` for one that both do, `d` for data with its length, `r` for data to the end, `i` for a connection id, `t` for a token of 16
/// bytes, `8` for 8 bytes.
fn layout(frame_type: u64) -> &'static str {
    match frame_type {
        0x02 => "v00a",
        0x03 => "v00avvv",
        0x04 => "svv",
        0x05 | 0x11 => "bv",
        0x06 => "vd",
        0x07 | 0x31 => "d",
        0x08 | 0x09 => "sr",
        0x0a | 0x0b => "sd",
        0x0c | 0x0d => "svr",
        0x0e | 0x0f => "svd",
        0x15 => "sv",
        0x10 | 0x12 | 0x13 | 0x14 | 0x16 | 0x17 | 0x19 => "v",
        0x18 => "vait",
        0x1a | 0x1b => "8",
        0x1c => "vvd",
        0x1d => "vd",
        0x30 => "r",
        _ => "",
    }
}

/// Small numbers, those about limits, and the largest.
fn number(pick: u8) -> VarInt {
    let values = [
        63,
        64,
        100 * 4,
        399,
        limits::STREAM_WINDOW - 1,
        limits::STREAM_WINDOW,
        limits::CONNECTION_WINDOW,
        limits::CRYPTO_BUFFER as u64,
        limits::STREAMS,
        limits::STREAMS + 1,
        limits::VARINT,
    ];
    let small = u64::from(pick % 24);
    let value = values.get(usize::from(pick) % 80).copied().unwrap_or(small);
    VarInt::new(value).unwrap()
}

impl Piece {
    fn write(&self, builder: &mut Builder<'_>, from: Side) -> Option<()> {
        static TYPES: LazyLock<Vec<u64>> =
            LazyLock::new(|| Row::all().iter().flat_map(Row::types).collect());
        let frame_type = TYPES[usize::from(self.kind) % TYPES.len()];
        builder.put_varint(VarInt::new(frame_type)?)?;
        let mut values = self.values.iter().cycle();
        let data = &self.data[..self.data.len().min(200)];
        let mut last = VarInt::ZERO;
        for field in layout(frame_type).chars() {
            match field {
                'd' => builder.put_vec(data)?,
                'r' => builder.put(data)?,
                'i' => builder.put_vec8(&[self.values[3]; 8])?,
                't' => builder.put(&[self.values[3]; 16])?,
                '8' => builder.put(&[self.values[0]; 8])?,
                number_like => {
                    let pick = *values.next()?;
                    let stream = |dir| {
                        // Now and then any of anybody's.
                        let own = StreamId::new(from, dir, u64::from(pick % 6)).unwrap();
                        let any = u64::from(pick % 24);
                        if pick < 240 { own.get() } else { any }
                    };
                    last = match number_like {
                        'a' => last.min(number(pick)),
                        '0' => VarInt::ZERO,
                        's' if pick & 1 == 0 => VarInt::new(stream(Dir::Uni))?,
                        's' | 'b' => VarInt::new(stream(Dir::Bi))?,
                        _ => number(pick),
                    };
                    // The number before those that are nothing counts for what comes behind them.
                    builder.put_varint(last)?;
                    if number_like == '0' {
                        last = number(self.values[0]);
                    }
                }
            }
        }
        Some(())
    }
}

fn act(pair: &mut Pair, act: &Act) {
    let side = |client: &bool| if *client { Side::Client } else { Side::Server };
    match act {
        Act::Frames {
            client,
            space,
            frames,
        } => {
            let mut buffer = [0; 1100];
            let mut builder = Builder::new(&mut buffer);
            for piece in frames.iter().take(6) {
                if builder.whole(|b| piece.write(b, side(client))).is_none() {
                    break;
                }
            }
            let payload = builder.written().to_vec();
            forged(pair, side(client), *space, &payload);
        }
        Act::Bytes {
            client,
            space,
            bytes,
        } => {
            // Most of these end it.
            if bytes.first().is_some_and(|first| *first < 0x20) {
                forged(pair, side(client), *space, &bytes[..bytes.len().min(1000)]);
            }
        }
        Act::Use {
            client,
            what,
            stream,
        } => {
            if pair.server.is_some() {
                used(pair.side(side(client)), *what, *stream);
            }
        }
        Act::Wait { milliseconds } => pair.run(Duration::from_millis(u64::from(*milliseconds))),
    }
    pair.run(Duration::from_millis(1));
}

/// A packet of this side with this payload arrives, if the side has keys for one.
fn forged(pair: &mut Pair, from: Side, space: u8, payload: &[u8]) {
    let space = match space {
        0..32 => Space::Initial,
        32..64 => Space::Handshake,
        _ => Space::Application,
    };
    let now = pair.now;
    if pair.server.is_none() && from == Side::Server {
        return;
    }
    let sender = pair.side(from);
    if payload.is_empty() || !sender.state.is_open() || sender.spaces.sends(space).is_none() {
        return;
    }
    let datagram = sender.forge(space, payload, now);
    pair.deliver(from.peer(), &datagram);
}

fn used(connection: &mut Connection, what: u8, stream: u8) {
    let id = StreamId::from_index(stream);
    match what % 8 {
        0 => drop(connection.open(Dir::Bi)),
        1 => drop(connection.open(Dir::Uni)),
        2 => drop(connection.send(id, &mut pattern(700))),
        3 => drop(connection.finish(id)),
        4 => drop(connection.reset(id, VarInt::from(1_u8))),
        5 => drop(connection.stop(id, VarInt::from(2_u8))),
        6 => drop(connection.read(id, 100)),
        _ => connection.update_keys(),
    }
    while connection.accept(Dir::Bi).is_some() || connection.accept(Dir::Uni).is_some() {}
}

impl StreamId {
    /// One of the first of either side and kind.
    fn from_index(pick: u8) -> Self {
        let side = if pick & 1 == 0 {
            Side::Client
        } else {
            Side::Server
        };
        let dir = if pick & 2 == 0 { Dir::Bi } else { Dir::Uni };
        Self::new(side, dir, u64::from(pick >> 2) % 6).unwrap()
    }
}

fn check(connection: &Connection) {
    let window = limits::CONNECTION_WINDOW_MAX as usize;
    assert!(connection.streams.held() <= window);
    assert!(connection.ids().count() <= limits::ISSUED_IDS);
    let ended = !connection.state.is_open();
    assert_eq!(
        ended,
        connection.error().is_some(),
        "{:?}",
        connection.state
    );
    if let Some(ConnectionError::Transport(error)) = connection.error() {
        assert_ne!(error.code, Code::INTERNAL_ERROR, "{error}");
    }
}

#[test]
fn any_frames_into_a_connection() {
    bolero::check!()
        .with_type::<(u8, Vec<Act>)>()
        .with_iterations(SCENES)
        .for_each(|(begun, acts)| {
            let of = &CONFIGS[usize::from(begun >> 6 & 1)];
            let (client, server) = &of[usize::from(begun >> 7)];
            let mut pair = Pair::of(straight(), client, server.clone());
            pair.server_at = Some(CLIENT.remote);
            pair.preferred = Some(PREFERRED.into());
            // In the middle of the handshake, or after it.
            pair.run(DELAY * u32::from(begun % 7));
            for step in acts {
                act(&mut pair, step);
                check(&pair.client);
                pair.server.iter().for_each(check);
            }
            // Who was closed on hears of it, and all is over in time.
            pair.run(Duration::from_secs(120));
            assert!(pair.client.is_over() || pair.client.state.is_open());
            let Some(server) = &pair.server else { return };
            for (one, other) in [(&pair.client, server), (server, &pair.client)] {
                // Who has given out ids that he does not know does not hear what is sent there.
                let dcid = one.dcid(one.paths.active.remote);
                let reaches = dcid.is_some_and(|id| other.ids.local.contains(&id));
                let error = one.error().filter(|_| reaches);
                if let Some(ConnectionError::Transport(error)) = error {
                    let told = matches!(other.error(), Some(ConnectionError::PeerClosed { code, .. }) if *code == error.code);
                    let own = matches!(other.error(), Some(error) if !matches!(error, ConnectionError::IdleTimeout));
                    assert!(told || own, "{error:?}: {:?}", other.error());
                }
            }
        });
}
