use super::*;
use crate::{Code, Fault, limits as most};

type Provoke = fn(&mut Streams) -> Result<(), Fault>;

fn reset(streams: &mut Streams, id: StreamId, final_size: u64) -> Result<(), Fault> {
    let frame = ResetStream {
        id,
        code: v(9),
        final_size: v(final_size),
    };
    streams.on_reset_stream(frame).map(drop)
}

const CLIENT_BI: fn(u64) -> StreamId = |index| id(Side::Client, Dir::Bi, index);
const CLIENT_UNI: fn(u64) -> StreamId = |index| id(Side::Client, Dir::Uni, index);
const SERVER_BI: fn(u64) -> StreamId = |index| id(Side::Server, Dir::Bi, index);
const SERVER_UNI: fn(u64) -> StreamId = |index| id(Side::Server, Dir::Uni, index);

/// Frames that reach a server: it allows 1000 bytes in all, 600 a stream and 5 streams of each kind, and has opened one of each itself.
fn server() -> Streams {
    let mut server = streams(Side::Server, 1000, 600, 5);
    server.open(Dir::Bi).unwrap();
    server.open(Dir::Uni).unwrap();
    server
}

#[test]
fn every_fault_of_streams_has_its_code() {
    // (name, what comes, fault, code)
    let rows: &[(&str, Provoke, Fault, Code)] = &[
        (
            "data past the stream's limit",
            |s| stream(s, CLIENT_UNI(0), 0, 601, false),
            Fault::StreamFlow,
            Code::FLOW_CONTROL_ERROR,
        ),
        (
            "a byte at an offset past the stream's limit",
            |s| stream(s, CLIENT_UNI(0), 600, 1, false),
            Fault::StreamFlow,
            Code::FLOW_CONTROL_ERROR,
        ),
        (
            "a byte at the largest offset",
            |s| stream(s, CLIENT_UNI(0), most::VARINT - 1, 1, true),
            Fault::StreamFlow,
            Code::FLOW_CONTROL_ERROR,
        ),
        (
            "an end past the stream's limit",
            |s| stream(s, CLIENT_UNI(0), 601, 0, true),
            Fault::StreamFlow,
            Code::FLOW_CONTROL_ERROR,
        ),
        (
            "data past the connection's limit",
            |s| {
                stream(s, CLIENT_UNI(0), 599, 1, false)?;
                stream(s, CLIENT_BI(0), 0, 401, false)
            },
            Fault::ConnectionFlow,
            Code::FLOW_CONTROL_ERROR,
        ),
        (
            "a final size past the stream's limit",
            |s| reset(s, CLIENT_UNI(0), 601),
            Fault::StreamFlow,
            Code::FLOW_CONTROL_ERROR,
        ),
        (
            "final sizes past the connection's limit",
            |s| {
                reset(s, CLIENT_UNI(0), 600)?;
                reset(s, CLIENT_UNI(1), 401)
            },
            Fault::ConnectionFlow,
            Code::FLOW_CONTROL_ERROR,
        ),
        (
            "data of a stream past the limit",
            |s| stream(s, CLIENT_BI(5), 0, 1, false),
            Fault::StreamLimit,
            Code::STREAM_LIMIT_ERROR,
        ),
        (
            "a reset of a stream past the limit",
            |s| reset(s, CLIENT_UNI(5), 0),
            Fault::StreamLimit,
            Code::STREAM_LIMIT_ERROR,
        ),
        (
            "stop sending on a stream past the limit",
            |s| {
                s.on_stop_sending(StopSending {
                    id: CLIENT_BI(5),
                    code: v(0),
                })
                .map(drop)
            },
            Fault::StreamLimit,
            Code::STREAM_LIMIT_ERROR,
        ),
        (
            "credit for a stream past the limit",
            |s| {
                s.on_max_stream_data(StreamLimit {
                    id: CLIENT_BI(5),
                    limit: v(9),
                })
                .map(drop)
            },
            Fault::StreamLimit,
            Code::STREAM_LIMIT_ERROR,
        ),
        (
            "blocked on a stream past the limit",
            |s| {
                s.on_stream_data_blocked(StreamLimit {
                    id: CLIENT_BI(5),
                    limit: v(9),
                })
            },
            Fault::StreamLimit,
            Code::STREAM_LIMIT_ERROR,
        ),
        (
            "data on the largest id",
            |s| stream(s, CLIENT_UNI(most::STREAMS - 1), 0, 1, false),
            Fault::StreamLimit,
            Code::STREAM_LIMIT_ERROR,
        ),
        (
            "data of a stream of ours that is not open",
            |s| stream(s, SERVER_BI(1), 0, 1, false),
            Fault::StreamNotOpened,
            Code::STREAM_STATE_ERROR,
        ),
        (
            "credit for a stream of ours that is not open",
            |s| {
                s.on_max_stream_data(StreamLimit {
                    id: SERVER_UNI(1),
                    limit: v(9),
                })
                .map(drop)
            },
            Fault::StreamNotOpened,
            Code::STREAM_STATE_ERROR,
        ),
        (
            "stop sending on a stream of ours that is not open",
            |s| {
                s.on_stop_sending(StopSending {
                    id: SERVER_BI(1),
                    code: v(0),
                })
                .map(drop)
            },
            Fault::StreamNotOpened,
            Code::STREAM_STATE_ERROR,
        ),
        (
            "data of a stream that only sends",
            |s| stream(s, SERVER_UNI(0), 0, 1, false),
            Fault::SendOnlyStream,
            Code::STREAM_STATE_ERROR,
        ),
        (
            "a reset of a stream that only sends",
            |s| reset(s, SERVER_UNI(0), 0),
            Fault::SendOnlyStream,
            Code::STREAM_STATE_ERROR,
        ),
        (
            "blocked on a stream that only sends",
            |s| {
                s.on_stream_data_blocked(StreamLimit {
                    id: SERVER_UNI(0),
                    limit: v(9),
                })
            },
            Fault::SendOnlyStream,
            Code::STREAM_STATE_ERROR,
        ),
        (
            "credit for a stream that only receives",
            |s| {
                s.on_max_stream_data(StreamLimit {
                    id: CLIENT_UNI(0),
                    limit: v(9),
                })
                .map(drop)
            },
            Fault::ReceiveOnlyStream,
            Code::STREAM_STATE_ERROR,
        ),
        (
            "stop sending on a stream that only receives",
            |s| {
                s.on_stop_sending(StopSending {
                    id: CLIENT_UNI(0),
                    code: v(0),
                })
                .map(drop)
            },
            Fault::ReceiveOnlyStream,
            Code::STREAM_STATE_ERROR,
        ),
        (
            "another end",
            |s| {
                stream(s, CLIENT_UNI(0), 0, 10, true)?;
                stream(s, CLIENT_UNI(0), 0, 9, true)
            },
            Fault::FinalSizeChanged,
            Code::FINAL_SIZE_ERROR,
        ),
        (
            "a reset at another size than the end",
            |s| {
                stream(s, CLIENT_UNI(0), 5, 5, true)?;
                reset(s, CLIENT_UNI(0), 11)
            },
            Fault::FinalSizeChanged,
            Code::FINAL_SIZE_ERROR,
        ),
        (
            "another reset at another size",
            |s| {
                reset(s, CLIENT_UNI(0), 10)?;
                reset(s, CLIENT_UNI(0), 9)
            },
            Fault::FinalSizeChanged,
            Code::FINAL_SIZE_ERROR,
        ),
        (
            "an end below what came",
            |s| {
                stream(s, CLIENT_UNI(0), 5, 5, false)?;
                stream(s, CLIENT_UNI(0), 0, 9, true)
            },
            Fault::FinalSizeTooSmall,
            Code::FINAL_SIZE_ERROR,
        ),
        (
            "a reset below what came",
            |s| {
                stream(s, CLIENT_UNI(0), 5, 5, false)?;
                reset(s, CLIENT_UNI(0), 9)
            },
            Fault::FinalSizeTooSmall,
            Code::FINAL_SIZE_ERROR,
        ),
        (
            "data past the end",
            |s| {
                stream(s, CLIENT_UNI(0), 0, 10, true)?;
                stream(s, CLIENT_UNI(0), 10, 1, false)
            },
            Fault::PastFinalSize,
            Code::FINAL_SIZE_ERROR,
        ),
        (
            "data past the size of a reset",
            |s| {
                reset(s, CLIENT_UNI(0), 10)?;
                stream(s, CLIENT_UNI(0), 5, 6, false)
            },
            Fault::PastFinalSize,
            Code::FINAL_SIZE_ERROR,
        ),
    ];
    for (name, provoke, fault, code) in rows {
        assert_eq!(provoke(&mut server()), Err(*fault), "{name}");
        assert_eq!(fault.code(), *code, "{name}");
    }
}

#[test]
fn frames_at_the_limits_of_streams_are_taken() {
    // (name, what comes)
    let rows: &[(&str, Provoke)] = &[
        ("a stream's limit", |s| {
            stream(s, CLIENT_UNI(4), 0, 600, true)
        }),
        ("a byte at a stream's limit", |s| {
            stream(s, CLIENT_UNI(0), 599, 1, false)
        }),
        ("both limits, by offsets, final sizes and repeats", |s| {
            stream(s, CLIENT_UNI(0), 599, 1, false)?;
            reset(s, CLIENT_UNI(1), 100)?;
            stream(s, CLIENT_BI(4), 299, 1, true)?;
            stream(s, CLIENT_BI(4), 0, 300, true)?;
            reset(s, CLIENT_UNI(1), 100)?;
            reset(s, CLIENT_UNI(0), 600)
        }),
        ("an empty frame opens", |s| {
            stream(s, CLIENT_BI(0), 0, 0, false)
        }),
        ("data after all was read", |s| {
            stream(s, CLIENT_UNI(0), 0, 10, true)?;
            s.accept(Dir::Uni).unwrap();
            assert_eq!(read_all(s, CLIENT_UNI(0)), Ok((10, true)));
            assert!(!s.map.contains_key(&CLIENT_UNI(0)));
            stream(s, CLIENT_UNI(0), 0, 10, true)?;
            reset(s, CLIENT_UNI(0), 10)
        }),
        ("receivers' frames for a stream of ours", |s| {
            s.on_max_stream_data(StreamLimit {
                id: SERVER_UNI(0),
                limit: v(9),
            })
            .map(drop)?;
            s.on_stop_sending(StopSending {
                id: SERVER_BI(0),
                code: v(0),
            })
            .map(drop)
        }),
    ];
    for (name, come) in rows {
        assert_eq!(come(&mut server()), Ok(()), "{name}");
    }
}
