//! Any sequence of calls with two handshake engines, and with keys of packets, alive, freed (NULL, then) or made anew: each call returns a status of the header
//! that fits, nothing panics inside, two sides that both complete have the same secrets, and keys open what they seal and nothing else.
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

use pith::config::*;
use pith::engine::*;
use pith::error::*;
use pith::packet::*;
use pith::time::pith_time;
use pith::tls::pith_info;
use pith_tests::pair::NAME;

use calls::{Configs, bytes, check_text, configs, fits, init, lent, made, taken, time};

const VERSIONS: [u32; 4] = [PITH_QUIC_V1, PITH_QUIC_V2, 0, 0xff00_001d];

/// A client and a server, and the bytes of CRYPTO frames that are under way to each.
struct Scene {
    configs: Configs,
    engines: [*mut pith_engine; 2],
    wires: [VecDeque<(u8, Vec<u8>)>; 2],
    /// Which secrets each has, by level and by who writes with them.
    secrets: [BTreeMap<(u8, usize), (u16, Vec<u8>)>; 2],
    complete: [bool; 2],
}

/// Late enough that copies of early data would be known.
fn now() -> pith_time {
    time(Duration::from_secs(100))
}

impl Scene {
    fn new() -> Self {
        let mut sessions = made!(pith_sessions_new, ptr::null(), ptr::null_mut(), 0);
        let configs = configs(sessions, false);
        pith_sessions_free(taken(&mut sessions));
        Self {
            configs,
            engines: [ptr::null_mut(); 2],
            wires: Default::default(),
            secrets: Default::default(),
            complete: [false; 2],
        }
    }

    /// Both anew, or one of them. A client says its transport parameters at once.
    fn begin(&mut self, who: usize, version: u32, name: &[u8], parameters: &[u8]) {
        pith_engine_free(taken(&mut self.engines[who]));
        self.wires[1 - who].clear();
        self.secrets[who].clear();
        self.complete[who] = false;
        let name = std::ffi::CString::new(name).unwrap_or_default();
        let parameters = bytes!(parameters);
        let mut out = MaybeUninit::new(ptr::null_mut());
        let status = match who {
            // SAFETY: configurations live as long as the scene, the name ends in NUL, and nothing is written to NULL.
            0 => unsafe {
                pith_engine_client(
                    Some(&mut out),
                    self.configs.0.as_ref(),
                    name.as_ptr(),
                    version,
                    parameters,
                    Some(&now()),
                    ptr::null_mut(),
                    0,
                )
            },
            _ => pith_engine_server(Some(&mut out), lent(self.configs.1).as_deref(), version),
        };
        // SAFETY: it was set at first.
        self.engines[who] = unsafe { out.assume_init() };
        assert_eq!(self.engines[who].is_null(), fits(status) != PITH_OK);
    }

    fn check(&self, who: usize, status: i32) -> i32 {
        let null = self.engines[who].is_null();
        // A configuration that asks more than an engine can has PITH_CONFIG, which is no error of these.
        assert_eq!(fits(status) == PITH_NULL, null, "{status}");
        status
    }

    /// Takes one output.
    fn next(&mut self, who: usize) -> bool {
        let mut output = init!(pith_engine_output);
        let mut secret = [0; PITH_SECRET_MAX];
        // SAFETY: its size is set, and there is room for a secret.
        let status =
            unsafe { pith_engine_next(lent(self.engines[who]), &mut output, secret.as_mut_ptr()) };
        if self.check(who, status) != PITH_OK {
            return false;
        }
        let data = match output.data.len {
            0 => Vec::new(),
            // SAFETY: lent until the next call.
            len => unsafe { std::slice::from_raw_parts(output.data.data, len) }.to_vec(),
        };
        assert!(output.level <= PITH_LEVEL_APPLICATION);
        match output.kind {
            PITH_OUTPUT_SEND => {
                assert!(!data.is_empty());
                self.wires[1 - who].push_back((output.level, data));
            }
            PITH_OUTPUT_SECRET => {
                let secret = secret[..output.secret_len].to_vec();
                assert!(matches!(output.secret_len, 32 | 48));
                let writer = match output.is_write {
                    0 => 1 - who,
                    _ => who,
                };
                let of = (output.level, writer);
                self.secrets[who].insert(of, (output.suite, secret));
            }
            PITH_OUTPUT_COMPLETE => self.complete[who] = true,
            kind => assert!((PITH_OUTPUT_SEND..=PITH_OUTPUT_COMPLETE).contains(&kind)),
        }
        if output.kind == PITH_OUTPUT_ASK_PARAMETERS {
            let status = self.parameters(who, b"\x04\x04\x80\x01\x00\x00", b"", 1);
            assert_eq!(status, PITH_OK);
        }
        true
    }

    fn parameters(&self, who: usize, parameters: &[u8], remember: &[u8], early: u8) -> i32 {
        let (parameters, remember) = (bytes!(parameters), bytes!(remember));
        // SAFETY: the slices are alive.
        let status = unsafe {
            pith_engine_answer_parameters(
                lent(self.engines[who]),
                parameters,
                remember,
                early,
                Some(&now()),
            )
        };
        self.check(who, status)
    }

    fn read(&self, who: usize, level: u8, bytes: &[u8]) {
        // SAFETY: the length is that of the bytes.
        let status = unsafe {
            pith_engine_read(
                lent(self.engines[who]),
                level,
                bytes.as_ptr(),
                bytes.len(),
                Some(&now()),
            )
        };
        self.check(who, status);
    }

    /// At most so many bytes of what comes first.
    fn deliver(&mut self, who: usize, most: usize) -> bool {
        let Some((level, mut bytes)) = self.wires[who].pop_front() else {
            return false;
        };
        if most < bytes.len() {
            let rest = bytes.split_off(most);
            self.wires[who].push_front((level, rest));
        }
        self.read(who, level, &bytes);
        true
    }

    fn carry(&mut self) {
        for _ in 0..50 {
            let mut moved = false;
            for who in 0..2 {
                while self.next(who) {
                    moved = true;
                }
                moved |= self.deliver(who, usize::MAX);
            }
            if !moved {
                return;
            }
        }
    }

    /// Two that are complete have heard the same, and have the same keys.
    fn compare(&self) {
        if self.complete == [true; 2] {
            let [client, server] = &self.secrets;
            for (of, secret) in client {
                // Early data may be offered and rejected.
                let other = server.get(of);
                assert!(other.is_none_or(|other| other == secret), "{of:?}");
            }
        }
    }

    fn step(&mut self, call: u8, who: u8, size: u16, given: &[u8]) {
        let (who, size) = (usize::from(who) % 2, usize::from(size));
        let engine = lent(self.engines[who]);
        let first = given.first().copied().unwrap_or(0);
        let status = match call % 20 {
            0..4 => return self.carry(),
            4 | 5 => {
                let version = VERSIONS[size / 4 % 2];
                self.begin(0, version, NAME.as_bytes(), b"\x04\x04\x80\x01\x00\x00");
                return self.begin(1, version, b"", b"");
            }
            6 => {
                let name = if size & 4 == 0 {
                    NAME.as_bytes()
                } else {
                    given
                };
                return self.begin(who, VERSIONS[size % 4], name, given);
            }
            7 => {
                self.next(who);
                return;
            }
            8 | 9 => {
                self.deliver(who, size % 5000 + 1);
                return;
            }
            10 => return self.read(who, first % 5, given),
            11 => {
                if let Some((_, bytes)) = self.wires[who].front_mut() {
                    let at = size % bytes.len();
                    let changes = bytes.iter_mut().skip(at).zip(given);
                    changes.for_each(|(byte, change)| *byte ^= change);
                }
                return;
            }
            12 => {
                let wire = &mut self.wires[who];
                return match size % 3 {
                    0 => drop(wire.pop_front()),
                    1 => wire.rotate_left(1.min(wire.len())),
                    _ => wire.extend(wire.front().cloned().filter(|_| wire.len() < 50)),
                };
            }
            13 => {
                self.parameters(who, given, given, size.to_le_bytes()[0]);
                return;
            }
            // SAFETY: the length is that of the bytes.
            14 => unsafe { pith_engine_remember(engine, given.as_ptr(), given.len()) },
            15 => {
                let mut info = init!(pith_info);
                // SAFETY: its size is set.
                unsafe { pith_engine_info(engine, &mut info) }
            }
            16 => {
                let (label, context) = (bytes!(given), bytes!(b"context"));
                let mut out = vec![0; size % 300];
                let len = out.len();
                // SAFETY: the lengths are those of the buffers.
                unsafe { pith_engine_export(engine, label, context, out.as_mut_ptr(), len) }
            }
            17 => return check_text(pith_engine_error(engine.as_deref())),
            18 => {
                let alert = pith_engine_alert(engine.as_deref());
                return assert!((-1..=255).contains(&alert));
            }
            _ => {
                self.complete[who] = false;
                return pith_engine_free(taken(&mut self.engines[who]));
            }
        };
        self.check(who, status);
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let engines = self.engines.iter_mut();
        engines.for_each(|engine| pith_engine_free(taken(engine)));
    }
}

#[test]
fn any_calls_with_engines() {
    bolero::check!()
        .with_type::<Vec<(u8, u8, u16, Vec<u8>)>>()
        .with_iterations(60)
        .for_each(|calls| {
            let mut scene = Scene::new();
            for (call, who, size, given) in calls {
                scene.step(*call, *who, *size, given);
            }
            scene.compare();
        });
}

const SUITES: [u16; 4] = [0x1301, 0x1302, 0x1303, 0x1304];

#[test]
fn any_calls_with_packet_keys() {
    bolero::check!()
        .with_type::<Vec<(u8, u8, u16, Vec<u8>)>>()
        .with_iterations(100)
        .for_each(|calls| {
            let mut keys: [*mut pith_packet_keys; 2] = [ptr::null_mut(); 2];
            for (call, which, size, given) in calls {
                packet_step(&mut keys, *call, *which, *size, given);
            }
            keys.iter_mut()
                .for_each(|keys| pith_packet_keys_free(taken(keys)));
        });
}

fn packet_step(
    keys: &mut [*mut pith_packet_keys; 2],
    call: u8,
    which: u8,
    size: u16,
    given: &[u8],
) {
    let which_one = usize::from(which) % 2;
    let own = keys[which_one];
    let (number, len) = (u64::from(size), given.len());
    let version = VERSIONS[usize::from(which / 2) % 4];
    let mut out = MaybeUninit::new(ptr::null_mut());
    let status = match call % 10 {
        // SAFETY: the length is that of the bytes.
        0 => unsafe {
            pith_packet_keys_initial(Some(&mut out), version, given.as_ptr(), len, which / 8 % 2)
        },
        1 => {
            let suite = SUITES[usize::from(size) % 4];
            let mut secret = [given, &[7; 48]].concat();
            secret.truncate([32, 48, len][usize::from(size / 4) % 3]);
            let len = secret.len();
            // SAFETY: the length is that of the bytes.
            unsafe { pith_packet_keys_new(Some(&mut out), version, suite, secret.as_ptr(), len) }
        }
        2 => {
            let other = lent(keys[1 - which_one]).map(|keys| &*keys);
            // SAFETY: NULL or alive.
            unsafe { pith_packet_keys_update(Some(&mut out), other) }
        }
        3..6 => return seal_and_open(own, number, given, which),
        6 => {
            let mut garbage = given.to_vec();
            let mut opened = MaybeUninit::new(usize::MAX);
            // SAFETY: the lengths are those of the buffers.
            let status = unsafe {
                let payload = garbage.as_mut_ptr();
                pith_packet_open(
                    lent(own),
                    number,
                    given.as_ptr(),
                    len,
                    payload,
                    len,
                    Some(&mut opened),
                )
            };
            let want = if own.is_null() {
                PITH_NULL
            } else {
                PITH_NOT_AUTHENTIC
            };
            return assert_eq!(status, want);
        }
        7 => {
            let mut mask = [0; PITH_PACKET_MASK];
            let sample = [given, &[0; PITH_PACKET_SAMPLE]].concat();
            // SAFETY: there are as many bytes as the header says.
            let status =
                unsafe { pith_packet_header_mask(lent(own), sample.as_ptr(), mask.as_mut_ptr()) };
            let want = if own.is_null() { PITH_NULL } else { PITH_OK };
            return assert_eq!(status, want);
        }
        8 => {
            let mut tag = [0; PITH_PACKET_TAG];
            // SAFETY: the length is that of the bytes, and there is room for a tag.
            let status =
                unsafe { pith_packet_retry_tag(version, given.as_ptr(), len, tag.as_mut_ptr()) };
            fits(status);
            return;
        }
        _ => {
            check_text(pith_packet_keys_error(lent(own).as_deref()));
            return pith_packet_keys_free(taken(&mut keys[which_one]));
        }
    };
    // SAFETY: it was set at first.
    let made = unsafe { out.assume_init() };
    assert_eq!(made.is_null(), fits(status) != PITH_OK);
    pith_packet_keys_free(taken(&mut keys[which_one]));
    keys[which_one] = made;
}

/// What is sealed opens, and not with another number, header or byte.
fn seal_and_open(keys: *mut pith_packet_keys, number: u64, given: &[u8], which: u8) {
    let (header, payload) = given.split_at(given.len() / 3);
    let mut sealed = [payload, &[0; PITH_PACKET_TAG]].concat();
    let len = sealed.len();
    // SAFETY: NULL or alive; the lengths are those of the buffers.
    let status = unsafe {
        pith_packet_seal(
            lent(keys),
            number,
            header.as_ptr(),
            header.len(),
            sealed.as_mut_ptr(),
            len,
        )
    };
    match fits(status) {
        PITH_NULL => return assert!(keys.is_null()),
        // The number was used, or passed.
        PITH_MISUSE => return,
        status => assert_eq!(status, PITH_OK),
    }
    let changed = which / 2 % 4;
    let (mut number, mut header) = (number, header.to_vec());
    match changed {
        0 => {}
        1 => number += 1,
        2 => header.push(0),
        _ => sealed[usize::from(which) % len] ^= 1,
    }
    let mut opened = MaybeUninit::new(usize::MAX);
    // SAFETY: as above.
    let status = unsafe {
        let bytes = sealed.as_mut_ptr();
        pith_packet_open(
            lent(keys),
            number,
            header.as_ptr(),
            header.len(),
            bytes,
            len,
            Some(&mut opened),
        )
    };
    // SAFETY: it was set at first.
    let opened = unsafe { opened.assume_init() };
    match changed {
        0 => {
            assert_eq!((status, opened), (PITH_OK, payload.len()));
            assert_eq!(&sealed[..opened], payload);
        }
        _ => assert_eq!((status, opened), (PITH_NOT_AUTHENTIC, 0)),
    }
}
