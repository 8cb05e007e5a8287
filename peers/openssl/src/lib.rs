//! Nothing to compile: this package exists so that Cargo pins, checks and fetches OpenSSL's source for `build.sh`.
