//! Any sequence of calls with two QUIC endpoints, who asks to be let in, and connections, alive, freed (NULL, then) or made anew, while datagrams
//! between them arrive, get lost, come twice, are altered or made up: each call returns a status of the header that fits, nothing panics inside, and what is read
//! from a stream is what was written to one.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "a test"
)]

mod calls;

use core::mem::MaybeUninit;
use core::ptr;
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::ffi::CString;

use pith::config::*;
use pith::error::*;
use pith::question::*;
use pith::quic::*;
use pith::time::pith_time;
use pith::tls::pith_info;
use pith_tests::pair::NAME;

use calls::{bytes, check_text, configs, fits, init, lent, made, taken, time};

/// The defaults, and narrow ones with most that there is. A scene has its own, since they keep sessions and tokens.
struct Configs {
    clients: [*mut pith_quic_client_config; 2],
    servers: [*mut pith_quic_server_config; 2],
}

impl Configs {
    fn new() -> Self {
        let mut sessions = made!(pith_sessions_new, ptr::null(), ptr::null_mut(), 0);
        let tls = configs(sessions, true);
        pith_sessions_free(taken(&mut sessions));
        let mut narrow = init!(pith_quic_options);
        (narrow.streams_bidi, narrow.streams_uni) = (2, 2);
        (narrow.stream_window, narrow.connection_window) = (2000, 3000);
        narrow.datagrams = 1000;
        narrow.keep_alive_ms = 50;
        narrow.congestion = PITH_CONGESTION_NEW_RENO;
        narrow.preferred_v4 = address(9);
        narrow.preferred_addresses = PITH_PREFERRED_ANY;
        let both = [ptr::null(), &raw const narrow];
        let clients = both.map(|options| {
            let client = lent(tls.0).map(|config| &*config);
            made!(
                pith_quic_client_config_new,
                client,
                options,
                ptr::null_mut(),
                0
            )
        });
        let servers = both.map(|options| {
            let server = lent(tls.1).map(|config| &*config);
            made!(
                pith_quic_server_config_new,
                server,
                options,
                ptr::null_mut(),
                0
            )
        });
        Self { clients, servers }
    }
}

impl Drop for Configs {
    fn drop(&mut self) {
        let (clients, servers) = (self.clients.iter_mut(), self.servers.iter_mut());
        clients.for_each(|config| pith_quic_client_config_free(taken(config)));
        servers.for_each(|config| pith_quic_server_config_free(taken(config)));
    }
}

/// 192.0.2.`last`.
fn address(last: u8) -> pith_address {
    let mut ip = [0; 16];
    ip[..4].copy_from_slice(&[192, 0, 2, last]);
    pith_address {
        family: PITH_ADDRESS_IPV4,
        port: 4433,
        scope: 0,
        ip,
    }
}

/// What stands at a place of a stream, whoever wrote it.
fn pattern(stream: u64, at: u64) -> u8 {
    (stream ^ at ^ (at >> 8)).to_le_bytes()[0]
}

/// A datagram under way: from where, with which mark.
struct Datagram {
    from: pith_address,
    ecn: u8,
    bytes: Vec<u8>,
}

/// Two endpoints, of which each has two places for connections.
struct Scene {
    configs: Configs,
    now: pith_time,
    ends: [*mut pith_quic_endpoint; 2],
    asking: [*mut pith_quic_incoming; 2],
    quics: [*mut pith_quic; 4],
    /// Where each end is.
    at: [pith_address; 2],
    /// To each end.
    wires: [VecDeque<Datagram>; 2],
    /// How far each stream of each place was written and read.
    written: BTreeMap<(usize, u64), u64>,
    read: BTreeMap<(usize, u64), u64>,
    /// The arguments of this step include NULL where that is not allowed.
    with_null: bool,
    /// What `carry` sends from. Its calls are most of a scene's, and a new one each time would be most of their cost.
    out: Vec<u8>,
}

/// As much as `carry` has room for at once.
const OUT: usize = 20_000;

impl Scene {
    fn new() -> Self {
        let mut scene = Self {
            configs: Configs::new(),
            now: time(Duration::ZERO),
            ends: [ptr::null_mut(); 2],
            asking: [ptr::null_mut(); 2],
            quics: [ptr::null_mut(); 4],
            at: [address(1), address(2)],
            wires: Default::default(),
            written: BTreeMap::new(),
            read: BTreeMap::new(),
            with_null: false,
            out: vec![0; OUT],
        };
        scene.found(0, 0);
        scene.found(1, 0);
        scene
    }

    fn pass(&mut self, ms: u64) {
        self.now.monotonic_us += ms * 1000;
        self.now.unix_us += ms * 1000;
    }

    /// The time, or NULL.
    fn now(&self) -> Option<pith_time> {
        (!self.with_null).then_some(self.now)
    }

    /// The status of a call with an object: PITH_NULL where that or something else is NULL, and nowhere else.
    fn check<T>(&self, object: *const T, other_null: bool, status: i32) -> i32 {
        let null = object.is_null() || other_null;
        assert_eq!(fits(status) == PITH_NULL, null, "{status}");
        status
    }

    /// Makes an endpoint anew.
    fn found(&mut self, end: usize, kind: u8) {
        pith_quic_endpoint_free(taken(&mut self.ends[end]));
        let mut options = init!(pith_quic_endpoint_options);
        options.serves = u8::from(kind & 1 == 0);
        options.retry = kind >> 1 & 1;
        options.no_resets = kind >> 2 & 1;
        options.half_open = (kind >> 3 & 1).into();
        let key = [7; 32];
        options.reset_key = bytes!(&key);
        let now = self.now;
        self.ends[end] = made!(
            pith_quic_endpoint_new,
            &options,
            Some(&now),
            ptr::null_mut(),
            0
        );
    }

    fn free(&mut self, place: usize) {
        pith_quic_free(taken(&mut self.quics[place]));
        self.written.retain(|of, _| of.0 != place);
        self.read.retain(|of, _| of.0 != place);
    }

    fn put(&mut self, place: usize, made: *mut pith_quic) {
        self.free(place);
        self.quics[place] = made;
    }

    fn connect(&mut self, place: usize, config: usize, name: &[u8]) {
        let end = place / 2;
        let (remote, local) = (self.at[1 - end], self.at[end]);
        let name = CString::new(name).unwrap_or_default();
        let mut out = MaybeUninit::new(ptr::null_mut());
        let user = ptr::without_provenance_mut(place + 1);
        // SAFETY: configurations live as long as the scene, the name ends in NUL, and nothing is written to NULL.
        let status = unsafe {
            pith_quic_connect(
                Some(&mut out),
                lent(self.ends[end]),
                self.configs.clients[config].as_ref(),
                name.as_ptr(),
                Some(&remote),
                (config == 0).then_some(&local),
                user,
                self.now().as_ref(),
                ptr::null_mut(),
                0,
            )
        };
        // SAFETY: it was set at first.
        let made = unsafe { out.assume_init() };
        assert_eq!(made.is_null(), status != PITH_OK);
        // A name that is none is found before the time that is missing.
        if status != PITH_ARGUMENT {
            self.check(self.ends[end], self.with_null, status);
        }
        self.put(place, made);
    }

    fn accept(&mut self, place: usize, config: usize) {
        let end = place / 2;
        let mut out = MaybeUninit::new(ptr::null_mut());
        let user = ptr::without_provenance_mut(place + 1);
        // SAFETY: configurations live as long as the scene, and nothing is written to NULL.
        let status = unsafe {
            pith_quic_accept(
                Some(&mut out),
                lent(self.asking[end]),
                self.configs.servers[config].as_ref(),
                user,
                self.now().as_ref(),
                ptr::null_mut(),
                0,
            )
        };
        // SAFETY: it was set at first.
        let made = unsafe { out.assume_init() };
        assert_eq!(made.is_null(), fits(status) != PITH_OK);
        self.put(place, made);
    }

    /// Refuses who asks, or sends a Retry.
    fn turn_away(&mut self, end: usize, retry: bool, size: usize) {
        let (mut reply, mut written) = (vec![0; size], MaybeUninit::new(0));
        let (asking, out) = (lent(self.asking[end]), reply.as_mut_ptr());
        let now = self.now();
        let status = match retry {
            // SAFETY: the lengths are those of the buffers.
            false => unsafe { pith_quic_refuse(asking, out, size, Some(&mut written)) },
            // SAFETY: as above.
            true => unsafe { pith_quic_retry(asking, out, size, Some(&mut written), now.as_ref()) },
        };
        fits(status);
        // SAFETY: it was set at first.
        let written = unsafe { written.assume_init() };
        assert!(written == 0 || status == PITH_OK || status == PITH_TOO_SMALL);
        if status == PITH_OK {
            self.send(end, 0, &reply[..written]);
        }
    }

    fn send(&mut self, end: usize, ecn: u8, bytes: &[u8]) {
        let from = self.at[end];
        if self.wires[1 - end].len() < 300 && !bytes.is_empty() {
            self.wires[1 - end].push_back(Datagram {
                from,
                ecn,
                bytes: bytes.to_vec(),
            });
        }
    }

    fn transmit(&mut self, place: usize, out: &mut [u8]) -> usize {
        let (mut batch, size) = (init!(pith_quic_batch), out.len());
        let now = self.now();
        // SAFETY: the lengths are those of the buffers.
        let status = unsafe {
            pith_quic_transmit(
                lent(self.quics[place]),
                out.as_mut_ptr(),
                size,
                &mut batch,
                now.as_ref(),
            )
        };
        self.check(self.quics[place], self.with_null, status);
        assert!(batch.len <= size && (batch.len > 0) == (status == PITH_OK));
        if status == PITH_OK {
            assert!(batch.segment > 0 && batch.segment <= batch.len && batch.ecn < 4);
            for datagram in out[..batch.len].chunks(batch.segment) {
                self.send(place / 2, batch.ecn, datagram);
            }
        }
        batch.len
    }

    /// The next datagram arrives, and its connection takes it if `takes` says so.
    fn deliver(&mut self, end: usize, takes: bool) -> bool {
        let Some(Datagram { from, ecn, bytes }) = self.wires[end].pop_front() else {
            return false;
        };
        let (mut reply, mut routed) = ([0; PITH_QUIC_DATAGRAM], init!(pith_quic_routed));
        let (local, now) = (self.at[end], self.now());
        // SAFETY: the lengths are those of the buffers.
        let status = unsafe {
            pith_quic_endpoint_receive(
                lent(self.ends[end]),
                Some(&from),
                Some(&local),
                ecn,
                bytes.as_ptr(),
                bytes.len(),
                reply.as_mut_ptr(),
                reply.len(),
                &mut routed,
                now.as_ref(),
            )
        };
        self.check(self.ends[end], self.with_null, status);
        match routed.kind {
            PITH_ROUTED_CONNECTION => {
                let place = routed.user.addr() - 1;
                assert!(place / 2 == end && !self.quics[place].is_null());
                if takes {
                    self.receive(place);
                }
            }
            PITH_ROUTED_INCOMING => {
                pith_quic_incoming_free(taken(&mut self.asking[end]));
                self.asking[end] = routed.incoming;
            }
            PITH_ROUTED_REPLY => self.send(end, 0, &reply[..routed.reply_len]),
            kind => assert_eq!(kind, PITH_ROUTED_NOTHING),
        }
        true
    }

    fn receive(&mut self, place: usize) {
        let now = self.now();
        let status = pith_quic_receive(lent(self.quics[place]), now.as_ref());
        self.check(self.quics[place], self.with_null, status);
        self.events(place);
    }

    fn events(&mut self, place: usize) {
        let mut event = init!(pith_quic_event);
        // SAFETY: its size is set.
        while unsafe { pith_quic_next_event(lent(self.quics[place]), &mut event) } == PITH_OK {
            match event.kind {
                // The streams so far are gone, and their ids come again.
                PITH_EVENT_EARLY_REJECTED => self.written.retain(|of, _| of.0 != place),
                PITH_EVENT_CLOSED => {
                    fits(event.status);
                }
                PITH_EVENT_OPENED => {
                    let mut id = MaybeUninit::new(0);
                    while pith_quic_accept_stream(
                        lent(self.quics[place]),
                        event.is_uni,
                        Some(&mut id),
                    ) == PITH_OK
                    {}
                }
                kind => assert!((1..=PITH_EVENT_MIGRATION_FAILED).contains(&kind), "{kind}"),
            }
        }
        assert_eq!(event.kind, 0);
    }

    fn on_deadline(&mut self, place: usize) {
        let now = self.now();
        let status = pith_quic_on_deadline(lent(self.quics[place]), now.as_ref());
        self.check(self.quics[place], self.with_null, status);
        self.events(place);
    }

    /// Says yes to what a connection asks.
    fn answer(&mut self, place: usize) {
        let (mut question, mut answer) = (init!(pith_question), init!(pith_answer));
        // SAFETY: its size is set.
        let status = unsafe { pith_quic_question(lent(self.quics[place]), &mut question) };
        if status == PITH_OK {
            (answer.kind, answer.number, answer.yes) = (question.kind, question.number, 1);
            let now = self.now;
            // SAFETY: its size is set, and it holds no pointer.
            fits(unsafe { pith_quic_answer(lent(self.quics[place]), &answer, Some(&now)) });
        }
    }

    /// All that both have to say arrives; who asks is let in where there is a place, and who asks something else gets an answer.
    fn carry(&mut self) {
        let mut quiet = 0;
        for _ in 0..60 {
            let mut moved = false;
            let mut out = std::mem::take(&mut self.out);
            for place in 0..4 {
                moved |= self.transmit(place, &mut out) > 0;
            }
            self.out = out;
            for end in 0..2 {
                while self.deliver(end, true) {
                    moved = true;
                }
                let free = (2 * end..2 * end + 2).find(|place| self.quics[*place].is_null());
                if let Some(place) = free.filter(|_| !self.asking[end].is_null()) {
                    self.accept(place, 0);
                    pith_quic_incoming_free(taken(&mut self.asking[end]));
                }
            }
            quiet = if moved { 0 } else { quiet + 1 };
            if quiet > 2 {
                return;
            }
            self.pass(5);
            for place in 0..4 {
                self.on_deadline(place);
                self.answer(place);
            }
        }
    }

    fn write(&mut self, place: usize, stream: u64, most: usize) -> i32 {
        let from = self.written.get(&(place, stream)).copied().unwrap_or(0);
        let data: Vec<u8> = (from..from + most as u64)
            .map(|at| pattern(stream, at))
            .collect();
        let mut took = MaybeUninit::new(0);
        // SAFETY: the lengths are those of the buffers.
        let status = unsafe {
            pith_quic_write(
                lent(self.quics[place]),
                stream,
                data.as_ptr(),
                most,
                Some(&mut took),
            )
        };
        // SAFETY: it was set at first.
        let took = unsafe { took.assume_init() };
        assert!(took <= most && (took == 0 || status >= 0));
        self.written.insert((place, stream), from + took as u64);
        status
    }

    fn read(&mut self, place: usize, stream: u64, most: usize, early: bool) -> i32 {
        let (mut out, mut got) = (vec![0; most], MaybeUninit::new(0));
        let read = if early {
            pith_quic_read_early
        } else {
            pith_quic_read
        };
        // SAFETY: the lengths are those of the buffers.
        let status = unsafe {
            read(
                lent(self.quics[place]),
                stream,
                out.as_mut_ptr(),
                most,
                Some(&mut got),
            )
        };
        // SAFETY: it was set at first.
        let got = unsafe { got.assume_init() };
        assert!(got <= most && (got == 0 || status >= 0));
        let from = self.read.get(&(place, stream)).copied().unwrap_or(0);
        let right = (from..)
            .zip(&out[..got])
            .all(|(at, byte)| *byte == pattern(stream, at));
        assert!(right, "nobody wrote this");
        self.read.insert((place, stream), from + got as u64);
        status
    }

    fn read_datagram(&mut self, place: usize, most: usize, early: bool) -> i32 {
        let (mut out, mut got) = (vec![0; most], MaybeUninit::new(0));
        let read = if early {
            pith_quic_read_early_datagram
        } else {
            pith_quic_read_datagram
        };
        // SAFETY: the lengths are those of the buffers.
        let status = unsafe {
            read(
                lent(self.quics[place]),
                out.as_mut_ptr(),
                most,
                Some(&mut got),
            )
        };
        // SAFETY: it was set at first.
        let got = unsafe { got.assume_init() };
        assert!(got <= most || status == PITH_TOO_SMALL);
        status
    }

    fn step(&mut self, call: u8, place: u8, size: u16, given: &[u8]) {
        let (place, size) = (usize::from(place) % 4, usize::from(size));
        let (end, first) = (place / 2, given.first().copied().unwrap_or(0));
        self.with_null = call % 64 >= 8 && first == 0xff;
        match call % 64 {
            0..6 => self.carry(),
            6 => self.connect(place, size % 2, NAME.as_bytes()),
            7 => self.pass(1 << (size % 16)),
            8 => {
                self.transmit(place, &mut vec![0; size % 5000]);
            }
            9 => {
                self.deliver(end, false);
            }
            10 | 11 => {
                self.deliver(end, true);
            }
            12 => self.receive(place),
            13 => self.accept(place, size % 2),
            14 | 15 => self.turn_away(end, call % 64 == 15, size % 3000),
            16 => pith_quic_incoming_free(taken(&mut self.asking[end])),
            17 => self.connect(place, size % 2, given),
            18 => self.free(place),
            19 => self.found(end, first),
            20 => pith_quic_endpoint_free(taken(&mut self.ends[end])),
            21 => self.send(end, first % 5, given),
            22..26 => self.disturb(end, call % 64 - 22, size, given),
            // An end goes elsewhere.
            26 => self.at[end] = address(size.to_le_bytes()[0] % 10),
            27 => self.events(place),
            28 => self.on_deadline(place),
            29 => {
                check_text(pith_quic_error(lent(self.quics[place]).as_deref()));
                check_text(pith_quic_endpoint_error(lent(self.ends[end]).as_deref()));
                check_text(pith_quic_incoming_error(lent(self.asking[end]).as_deref()));
            }
            30..36 => self.ask_end(end, call % 64 - 30, size),
            _ => {
                self.with_null = false;
                let status = self.ask(place, call % 64, size, given);
                self.check(self.quics[place], false, status);
            }
        }
    }

    /// What can happen to a datagram on its way.
    fn disturb(&mut self, end: usize, how: u8, size: usize, given: &[u8]) {
        let wire = &mut self.wires[end];
        match how {
            0 => drop(wire.pop_front()),
            1 => {
                if let Some(Datagram { bytes, .. }) = wire.front_mut() {
                    let at = size % bytes.len();
                    bytes
                        .iter_mut()
                        .skip(at)
                        .zip(given)
                        .for_each(|(byte, change)| *byte ^= change);
                }
            }
            2 => wire.rotate_left(size.min(wire.len())),
            _ => {
                let again = wire.front().map(|datagram| Datagram {
                    from: datagram.from,
                    ecn: datagram.ecn,
                    bytes: datagram.bytes[..size.min(datagram.bytes.len())].to_vec(),
                });
                wire.extend(again.filter(|datagram| !datagram.bytes.is_empty()));
            }
        }
    }

    fn ask_end(&mut self, end: usize, call: u8, size: usize) {
        let (now, mut due) = (self.now(), MaybeUninit::new(0));
        let (object, endpoint) = (self.ends[end].cast_const(), lent(self.ends[end]));
        let (mut info, mut status) = (
            init!(pith_quic_incoming_info),
            init!(pith_quic_endpoint_status),
        );
        match call {
            0 => {
                let due = (!self.with_null).then_some(&mut due);
                let status = pith_quic_endpoint_deadline(endpoint, due);
                self.check(object, self.with_null, status);
            }
            1 => {
                let status = pith_quic_endpoint_on_deadline(endpoint, now.as_ref());
                self.check(object, self.with_null, status);
            }
            2 => {
                let until = self.now.monotonic_us + 1000 * size as u64;
                let status = pith_quic_endpoint_shutdown(endpoint, until);
                self.check(object, false, status);
            }
            3 => {
                // SAFETY: its size is set.
                let status =
                    unsafe { pith_quic_endpoint_info(endpoint, &mut status, now.as_ref()) };
                self.check(object, self.with_null, status);
            }
            _ => {
                // SAFETY: its size is set.
                let status = unsafe { pith_quic_incoming_get(lent(self.asking[end]), &mut info) };
                self.check(self.asking[end], false, status);
            }
        }
    }

    /// A call with a connection.
    fn ask(&mut self, place: usize, call: u8, size: usize, given: &[u8]) -> i32 {
        let quic = lent(self.quics[place]);
        let first = given.first().copied().unwrap_or(0);
        // Small ids of all four kinds, or any number.
        let stream = match given {
            [_, wild @ ..] if wild.len() == 8 => u64::from_le_bytes(wild.try_into().unwrap()),
            _ => u64::from(first % 12),
        };
        let code = u64::from_le_bytes([size as u8, 0, 0, 0, 0, 0, 0, first]);
        let (now, mut id) = (self.now, MaybeUninit::new(0));
        match call {
            36 | 37 => pith_quic_open_stream(quic, first & 1, Some(&mut id)),
            38 => pith_quic_accept_stream(quic, first & 1, Some(&mut id)),
            39..43 => self.write(place, stream, size % 20_000),
            43..46 => self.read(place, stream, size, false),
            46 => self.read(place, stream, size, true),
            47 => pith_quic_finish(quic, stream),
            48 => pith_quic_reset(quic, stream, code),
            49 => pith_quic_stop(quic, stream, code),
            50 => pith_quic_set_urgency(quic, stream, size.to_le_bytes()[0]),
            // SAFETY: the length is that of the bytes.
            51 => unsafe { pith_quic_send_datagram(quic, given.as_ptr(), given.len()) },
            52 => self.read_datagram(place, size, first & 1 == 1),
            53 => {
                let mut info = init!(pith_info);
                // SAFETY: its size is set.
                unsafe { pith_quic_info(quic, &mut info) }
            }
            54 => {
                let (label, context) = (bytes!(given), bytes!(b"context"));
                let mut out = vec![0; size % 300];
                let len = out.len();
                // SAFETY: the lengths are those of the buffers.
                unsafe { pith_quic_export(quic, label, context, out.as_mut_ptr(), len) }
            }
            // SAFETY: the length is that of the bytes.
            55 => unsafe { pith_quic_remember(quic, given.as_ptr(), given.len()) },
            56 => {
                let mut stats = init!(pith_quic_stats);
                // SAFETY: its size is set.
                unsafe { pith_quic_get_stats(quic, &mut stats) }
            }
            57 => {
                let mut status = init!(pith_quic_status);
                // SAFETY: its size is set.
                unsafe { pith_quic_get_status(quic, &mut status) }
            }
            58 => {
                let mut question = init!(pith_question);
                // SAFETY: its size is set.
                unsafe { pith_quic_question(quic, &mut question) }
            }
            59 => {
                let mut answer = init!(pith_answer);
                answer.number = u32::from(first % 3);
                answer.kind = i32::from(size.to_le_bytes()[0] % 8);
                answer.yes = 1;
                // SAFETY: its size is set, and it holds no pointer.
                unsafe { pith_quic_answer(quic, &answer, Some(&now)) }
            }
            60 => pith_quic_ping(quic),
            61 => pith_quic_update_keys(quic),
            62 => pith_quic_deadline(quic, Some(&mut id)),
            // SAFETY: the length is that of the bytes.
            _ => unsafe { pith_quic_close(quic, code, given.as_ptr(), given.len(), Some(&now)) },
        }
    }
}

impl Drop for Scene {
    /// Endpoints first: what is of them lives on.
    fn drop(&mut self) {
        self.ends
            .iter_mut()
            .for_each(|end| pith_quic_endpoint_free(taken(end)));
        self.asking
            .iter_mut()
            .for_each(|asking| pith_quic_incoming_free(taken(asking)));
        (0..4).for_each(|place| self.free(place));
    }
}

#[test]
fn any_calls_with_quic() {
    bolero::check!()
        .with_type::<Vec<(u8, u8, u16, Vec<u8>)>>()
        .with_iterations(80)
        .for_each(|calls| {
            let mut scene = Scene::new();
            for (call, place, size, given) in calls {
                scene.step(*call, *place, *size, given);
            }
        });
}
