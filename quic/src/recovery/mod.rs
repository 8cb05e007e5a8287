//! Loss recovery and congestion control (RFC 9002), and the acknowledgment of what is received (RFC 9000 section 13.2).

mod rtt;
mod token;

pub(crate) use rtt::Rtt;
pub(crate) use token::{Token, Tokens};
