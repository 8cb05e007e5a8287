//! Two endpoints on a network in memory with a clock of its own, which jumps to whatever comes next: what waits for nothing shows at once.

mod chaos;
mod drive;
mod early;
mod incoming;
mod workers;
mod world;
