//! Any sequence of calls with a pair of connections, valid ones, freed ones (NULL, then) and others made anew: each returns a status of the header that
//! fits, nothing panics inside, and what is read is what was written.
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
use std::sync::LazyLock;

use pith::error::*;
use pith::kem::*;
use pith::question::*;
use pith::time::pith_time;
use pith::tls::*;
use pith_tests::pair::NAME;

use calls::{Configs, bytes, check_text, configs, fits, init, lent, made, taken, time};

static CONFIGS: LazyLock<Configs> = LazyLock::new(|| configs(ptr::null(), true));

/// A client and a server, and what is on its way to each.
struct Scene {
    tls: [*mut pith_tls; 2],
    wires: [Vec<u8>; 2],
    written: [u64; 2],
    read: [u64; 2],
    /// Which of the two ways to take bytes in this scene uses: they may not be mixed.
    opens: bool,
}

fn pattern(at: u64) -> u8 {
    (at ^ (at >> 8)).to_le_bytes()[0]
}

fn now() -> pith_time {
    time(Duration::ZERO)
}

impl Scene {
    fn new(opens: bool) -> Self {
        let mut scene = Self {
            tls: [ptr::null_mut(); 2],
            wires: Default::default(),
            written: [0; 2],
            read: [0; 2],
            opens,
        };
        scene.renew();
        scene
    }

    fn renew(&mut self) {
        self.free(0);
        self.free(1);
        let name = std::ffi::CString::new(NAME).unwrap();
        // SAFETY: configurations are never freed.
        let (client, server) = unsafe { (&*CONFIGS.0, &*CONFIGS.1) };
        let now = now();
        self.tls[0] = made!(
            pith_tls_client,
            Some(client),
            name.as_ptr(),
            Some(&now),
            ptr::null_mut(),
            0
        );
        let mut out = MaybeUninit::new(ptr::null_mut());
        assert_eq!(pith_tls_server(Some(&mut out), Some(server)), PITH_OK);
        // SAFETY: it was set at first.
        self.tls[1] = unsafe { out.assume_init() };
        *self = Self {
            tls: self.tls,
            wires: Default::default(),
            written: [0; 2],
            read: [0; 2],
            opens: self.opens,
        };
    }

    fn free(&mut self, who: usize) {
        pith_tls_free(taken(&mut self.tls[who]));
    }

    fn get(&self, who: usize) -> Option<&'static mut pith_tls> {
        lent(self.tls[who])
    }

    /// The status of a call with this side, which is one of the header and fits.
    fn check(&self, who: usize, status: i32) -> i32 {
        fits(status);
        assert_eq!(status == PITH_NULL, self.tls[who].is_null(), "{status}");
        status
    }

    fn transmit(&mut self, who: usize, most: usize) -> usize {
        let (mut out, mut written) = (vec![0; most], MaybeUninit::new(0));
        // SAFETY: the lengths are those of the buffers.
        let status =
            unsafe { pith_tls_transmit(self.get(who), out.as_mut_ptr(), most, Some(&mut written)) };
        self.check(who, status);
        // SAFETY: it was set at first.
        let written = unsafe { written.assume_init() };
        assert!(written <= most);
        self.wires[1 - who].extend(&out[..written]);
        written
    }

    fn receive(&mut self, who: usize, most: usize) -> usize {
        let most = most.min(self.wires[who].len());
        if self.opens {
            return self.open(who, most);
        }
        let mut taken = MaybeUninit::new(0);
        let bytes = self.wires[who].as_ptr();
        // SAFETY: the lengths are those of the buffers.
        let status =
            unsafe { pith_tls_receive(self.get(who), bytes, most, Some(&mut taken), Some(&now())) };
        self.check(who, status);
        // SAFETY: it was set at first.
        let taken = unsafe { taken.assume_init() };
        assert!(taken <= most);
        self.wires[who].drain(..taken);
        taken
    }

    fn open(&mut self, who: usize, most: usize) -> usize {
        let mut opened = MaybeUninit::zeroed();
        let bytes = self.wires[who].as_mut_ptr();
        // SAFETY: the lengths are those of the buffers.
        let status =
            unsafe { pith_tls_open(self.get(who), bytes, most, Some(&mut opened), Some(&now())) };
        self.check(who, status);
        // SAFETY: zero is a value of each of its fields.
        let opened: pith_opened = unsafe { opened.assume_init() };
        assert!(opened.consumed <= most);
        if status == PITH_OK && opened.data.len > 0 {
            // SAFETY: lent inside the input, which lives.
            let data = unsafe { std::slice::from_raw_parts(opened.data.data, opened.data.len) };
            let data = data.to_vec();
            self.came(who, &data);
        }
        self.wires[who].drain(..opened.consumed);
        opened.consumed
    }

    fn came(&mut self, who: usize, data: &[u8]) {
        let right = (self.read[who]..)
            .zip(data)
            .all(|(at, got)| *got == pattern(at));
        self.read[who] += data.len() as u64;
        let sent = self.written[1 - who];
        assert!(right && self.read[who] <= sent, "nobody wrote this");
    }

    fn read(&mut self, who: usize, most: usize, early: bool) -> i32 {
        let (mut out, mut got) = (vec![0; most], MaybeUninit::new(0));
        let read = if early {
            pith_tls_read_early
        } else {
            pith_tls_read
        };
        // SAFETY: the lengths are those of the buffers.
        let status = unsafe { read(self.get(who), out.as_mut_ptr(), most, Some(&mut got)) };
        self.check(who, status);
        // SAFETY: it was set at first.
        let got = unsafe { got.assume_init() };
        assert!(got <= most && (got == 0 || status == PITH_OK));
        self.came(who, &out[..got]);
        status
    }

    fn write(&mut self, who: usize, most: usize, early: bool) {
        let from = self.written[who];
        let data: Vec<u8> = (from..from + most as u64).map(pattern).collect();
        let mut taken = MaybeUninit::new(0);
        let write = if early {
            pith_tls_write_early
        } else {
            pith_tls_write
        };
        // SAFETY: the lengths are those of the buffers.
        let status = unsafe { write(self.get(who), data.as_ptr(), most, Some(&mut taken)) };
        self.check(who, status);
        // SAFETY: it was set at first.
        let taken = unsafe { taken.assume_init() };
        assert!(taken <= most && (taken == 0 || status == PITH_OK));
        self.written[who] += taken as u64;
    }

    /// All that both have to say arrives.
    fn carry(&mut self) {
        for _ in 0..100 {
            let mut moved = 0;
            for who in 0..2 {
                moved += self.transmit(who, 20_000);
                while self.read(who, 5000, false) == PITH_OK {}
                moved += self.receive(who, usize::MAX);
            }
            if moved == 0 {
                return;
            }
        }
    }

    fn step(&mut self, call: u8, who: u8, size: u16, given: &[u8]) {
        let (who, size) = (usize::from(who) % 2, usize::from(size));
        let status = match call % 28 {
            0..4 => return self.carry(),
            4 => {
                self.transmit(who, size);
                return;
            }
            5 | 6 => {
                self.receive(who, size);
                return;
            }
            7 => return self.write(who, size, false),
            8 => {
                self.read(who, size, false);
                return;
            }
            9 => return self.write(who, size % 3000, true),
            10 => {
                self.read(who, size, true);
                return;
            }
            11 => pith_tls_close(self.get(who)),
            12 => pith_tls_eof(self.get(who)),
            13 | 14 => self.export(who, call % 28 == 14, size % 300, given),
            15 => pith_tls_update_keys(self.get(who), given.first().copied().unwrap_or(0)),
            16 => pith_tls_issue_tickets(self.get(who), size.to_le_bytes()[0], Some(&now())),
            // SAFETY: the length is that of the bytes.
            17 => unsafe { pith_tls_remember(self.get(who), given.as_ptr(), given.len()) },
            18 => {
                let mut status = init!(pith_tls_status);
                // SAFETY: its size is set.
                unsafe { pith_tls_get_status(self.get(who), &mut status) }
            }
            19 => {
                let mut info = init!(pith_info);
                // SAFETY: its size is set.
                unsafe { pith_tls_info(self.get(who), &mut info) }
            }
            20 => {
                let mut question = init!(pith_question);
                // SAFETY: its size is set.
                unsafe { pith_tls_question(self.get(who), &mut question) }
            }
            21 => {
                let mut answer = init!(pith_answer);
                answer.number = size as u32 % 3;
                // SAFETY: its size is set, and it holds no pointer.
                unsafe { pith_tls_answer(self.get(who), &answer, Some(&now())) }
            }
            22 => {
                return check_text(pith_tls_error(self.get(who).as_deref()));
            }
            23 => {
                let sealed = pith_tls_sealed_len(self.get(who).as_deref(), size);
                return assert!(sealed == 0 || sealed > size);
            }
            24 => return self.wires[who].extend(given),
            25 => return self.wires[who].truncate(size),
            26 => return self.free(who),
            _ => return self.renew(),
        };
        self.check(who, status);
    }

    fn export(&self, who: usize, early: bool, len: usize, given: &[u8]) -> i32 {
        let mut out = vec![0; len];
        let export = if early {
            pith_tls_export_early
        } else {
            pith_tls_export
        };
        let (label, context) = (bytes!(given), bytes!(b"context"));
        // SAFETY: the lengths are those of the buffers.
        unsafe { export(self.get(who), label, context, out.as_mut_ptr(), len) }
    }
}

#[test]
fn any_calls_with_connections() {
    bolero::check!()
        .with_type::<(bool, Vec<(u8, u8, u16, Vec<u8>)>)>()
        .with_iterations(300)
        .for_each(|(opens, calls)| {
            let mut scene = Scene::new(*opens);
            for (call, who, size, given) in calls {
                scene.step(*call, *who, *size, given);
            }
            scene.free(0);
            scene.free(1);
        });
}

/// Keys of every group and of none, ciphertexts of any bytes, and keys that are gone.
#[test]
fn any_calls_with_kem_keys() {
    bolero::check!()
        .with_type::<Vec<(u8, u16, Vec<u8>)>>()
        .with_iterations(100)
        .for_each(|calls| {
            let mut key: *mut pith_kem_key = ptr::null_mut();
            let (mut public, mut ciphertext) = (vec![0; 1665], vec![0; 1665]);
            for (call, size, given) in calls {
                let group = [4588, 4587, 4589, 29, *size][usize::from(*size) % 5];
                let size = usize::from(*size) % public.len();
                let mut secret = [0; 80];
                match call % 5 {
                    0 => {
                        pith_kem_free(taken(&mut key));
                        let mut out = MaybeUninit::new(ptr::null_mut());
                        // SAFETY: the length is that of the buffer.
                        fits(unsafe {
                            pith_kem_keygen(Some(&mut out), group, public.as_mut_ptr(), 1665)
                        });
                        // SAFETY: it was set at first.
                        key = unsafe { out.assume_init() };
                    }
                    1 | 2 => {
                        let length = [1216, 1249, 1665, size][usize::from(*call / 5) % 4];
                        // SAFETY: the lengths are those of the buffers, or less.
                        fits(unsafe {
                            pith_kem_encapsulate(
                                group,
                                public.as_ptr(),
                                length,
                                ciphertext.as_mut_ptr(),
                                1665,
                                secret.as_mut_ptr(),
                                [32, 64, 80, 0][usize::from(*call / 20) % 4],
                            )
                        });
                    }
                    3 => {
                        let length = [1120, 1153, 1665, size][usize::from(*call / 5) % 4];
                        // SAFETY: NULL or alive; the lengths are those of the buffers, or less.
                        fits(unsafe {
                            pith_kem_decapsulate(
                                key.as_mut(),
                                ciphertext.as_ptr(),
                                length,
                                secret.as_mut_ptr(),
                                80,
                            )
                        });
                    }
                    _ => {
                        let length = given.len().min(public.len() - size);
                        public[size..size + length].copy_from_slice(&given[..length]);
                        ciphertext[size..size + length].copy_from_slice(&given[..length]);
                    }
                }
            }
            pith_kem_free(taken(&mut key));
        });
}
