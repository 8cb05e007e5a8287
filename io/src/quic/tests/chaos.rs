//! Tasks by dice: streams that are cut off on either side at any byte, futures that are dropped while they wait, networks that lose and sockets that
//! are full. Each task is polled only when it was woken, so a wake that is lost shows as a world in which everybody waits.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use pith_quic::{ConnectionError, ServerConfigBuilder, VarInt};
use pith_tests::network::for_each_seed;

use super::world::{Manners, World, pattern};
use crate::quic::{Connection, Error, RecvStream, SendStream};

/// SplitMix64.
#[derive(Clone)]
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) as usize) % sides
    }
}

/// What happens to one direction of a stream.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Plan {
    /// All of it arrives.
    Whole,
    /// The sender finishes it by dropping its handle.
    Dropped,
    /// The sender resets it after so many bytes.
    Reset(usize),
    /// The reader stops it after so many bytes.
    Stop(usize),
    /// The reader drops its handle after so many bytes.
    Leave(usize),
}

#[derive(Debug, Clone, Copy)]
struct Ways {
    length: usize,
    there: Plan,
    back: Plan,
}

const RESET: u8 = 70;
const STOP: u8 = 80;

impl Ways {
    fn by(dice: &mut Dice) -> Self {
        let length = [0, 1, 1000, 30_000, 150_000][dice.throw(5)];
        let mut plan = || {
            let at = dice.throw(length + 1);
            match dice.throw(8) {
                0 => Plan::Reset(at),
                1 => Plan::Stop(at),
                2 => Plan::Leave(at),
                3 | 4 => Plan::Dropped,
                _ => Plan::Whole,
            }
        };
        Self {
            length,
            there: plan(),
            back: plan(),
        }
    }
}

/// Asks a future now and then, drops it, and makes another, until one is done. What is safe to be dropped loses nothing by it.
async fn fickle<T>(dice: &mut Dice, mut make: impl AsyncFnMut() -> T) -> T {
    loop {
        let patience = dice.throw(3);
        let mut asked = 0;
        let mut future = pin!(make());
        let done = poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if asked == patience => Poll::Pending,
            Poll::Pending => {
                // Dropped, and another asks in its place at once.
                asked = patience;
                if patience == 1 {
                    return Poll::Ready(None);
                }
                Poll::Pending
            }
        });
        if let Some(done) = done.await {
            return done;
        }
    }
}

/// Sends a direction by its plan, and checks why it ended early.
async fn send(mut stream: SendStream, length: usize, plan: Plan, mut dice: Dice) {
    let stops = matches!(plan, Plan::Stop(_) | Plan::Leave(_));
    let data = pattern(length);
    let end = match plan {
        Plan::Reset(at) => at,
        _ => length,
    };
    let mut left: Bytes = data.slice(..end);
    while !left.is_empty() {
        let most = left.len().min(1 + dice.throw(50_000));
        let mut piece = left.split_to(most);
        // What was not taken is left in the piece.
        while !piece.is_empty() {
            let written = fickle(&mut dice, async || stream.write_bytes(&mut piece).await).await;
            match written {
                Ok(()) => {}
                Err(Error::Stopped(code)) if stops => {
                    assert!(code == VarInt::from(STOP) || code == VarInt::ZERO);
                    return;
                }
                // Who wants nothing more may have left altogether.
                Err(error) if stops && is_left(&error) => return,
                Err(error) => panic!("{plan:?}: {error:?}"),
            }
        }
    }
    match plan {
        Plan::Reset(_) => stream.reset(VarInt::from(RESET)),
        Plan::Dropped => {}
        _ => {
            match stream.finish() {
                Ok(()) => {}
                Err(Error::Stopped(_)) if stops => return,
                Err(error) if stops && is_left(&error) => return,
                Err(error) => panic!("{plan:?}: {error:?}"),
            }
            match fickle(&mut dice, async || stream.stopped().await).await {
                Ok(stopped) => assert!(stopped.is_none() || stops),
                // Who has everything may leave before he has said so.
                Err(error) => assert!(is_left(&error), "{plan:?}: {error:?}"),
            }
        }
    }
}

fn is_left(error: &Error) -> bool {
    let closed = |error: &ConnectionError| {
        matches!(error, ConnectionError::ApplicationClosed { code: 0, .. })
    };
    matches!(error, Error::Connection(error) if closed(error))
}

/// Reads a direction by its plan.
async fn receive(mut stream: RecvStream, length: usize, plan: Plan, mut dice: Dice) {
    let data = pattern(length);
    let mut got = Vec::new();
    loop {
        if let Plan::Stop(at) | Plan::Leave(at) = plan
            && got.len() >= at
        {
            if let Plan::Stop(_) = plan {
                stream.stop(VarInt::from(STOP));
            }
            return;
        }
        let most = 1 + dice.throw(5000);
        match fickle(&mut dice, async || stream.read_chunk(most).await).await {
            Ok(Some(chunk)) => got.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(Error::Reset(code)) => {
                assert!(matches!(plan, Plan::Reset(_)), "{plan:?}");
                assert_eq!(code, VarInt::from(RESET));
                assert!(data.starts_with(&got));
                return;
            }
            Err(error) => panic!("{plan:?} at {}: {error:?}", got.len()),
        }
    }
    assert!(got == data, "{plan:?}: {} of {length}", got.len());
}

type Task = Pin<Box<dyn Future<Output = ()>>>;
type Plans = Arc<Mutex<HashMap<u64, Ways>>>;

/// Opens a stream and sends; the server does what the plans say for it.
async fn open(connection: Connection, plans: Plans, ways: Ways, mut dice: Dice) {
    let opened = fickle(&mut dice, async || connection.open_bi().await).await;
    let (sends, recvs) = opened.unwrap();
    plans.lock().unwrap().insert(sends.id().get(), ways);
    drop(connection);
    let (one, other) = (dice.clone(), Dice(!dice.0));
    tokio::join!(
        send(sends, ways.length, ways.there, one),
        receive(recvs, ways.length, ways.back, other),
    );
}

async fn accept(connection: Connection, plans: Plans, mut dice: Dice) {
    let accepted = fickle(&mut dice, async || connection.accept_bi().await).await;
    let (sends, recvs) = accepted.unwrap();
    let ways = plans.lock().unwrap()[&sends.id().get()];
    drop(connection);
    let (one, other) = (dice.clone(), Dice(!dice.0));
    tokio::join!(
        receive(recvs, ways.length, ways.there, one),
        send(sends, ways.length, ways.back, other),
    );
}

#[test]
fn whatever_is_cut_off_everything_else_arrives_and_nobody_waits_in_vain() {
    for_each_seed(0..40, |seed| {
        let mut dice = Dice(seed);
        let manners = Manners {
            loses: [0, 0, 11, 30][dice.throw(4)],
            stalls: [0, 2, 3][dice.throw(3)],
            takes: [0, 1, 4][dice.throw(3)],
        };
        let streams = 1 + dice.throw(6) as u64;
        let options = |client, server: ServerConfigBuilder| (client, server.streams(streams, 0));
        let mut world = World::with(manners, options);
        let mut tasks: Vec<Task> = Vec::new();
        for _ in 0..1 + dice.throw(3) {
            let (client, server) = world.connect();
            let plans = Plans::default();
            for _ in 0..1 + dice.throw(12) {
                let ways = Ways::by(&mut dice);
                let [one, other] = [(); 2].map(|()| Dice(dice.throw(usize::MAX) as u64));
                tasks.push(Box::pin(open(
                    client.clone(),
                    Arc::clone(&plans),
                    ways,
                    one,
                )));
                tasks.push(Box::pin(accept(server.clone(), Arc::clone(&plans), other)));
            }
        }
        world.run_all(tasks);
        let (client, server) = (world.client(), world.server());
        let began = world.now();
        world.run(async {
            let limit = Duration::from_secs(600);
            tokio::join!(client.shutdown(limit), server.shutdown(limit))
        });
        // An idle timeout and some, if the last word was lost.
        assert!(world.now() - began < Duration::from_secs(40));
    });
}
