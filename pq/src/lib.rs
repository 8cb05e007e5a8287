//! pq

#![forbid(unsafe_code)]
