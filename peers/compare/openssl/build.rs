//! The OpenSSL that `peers/openssl/build.sh` builds has these from the system.

fn main() {
    for library in ["z", "brotlienc", "brotlidec", "brotlicommon"] {
        println!("cargo:rustc-link-lib={library}");
    }
}
