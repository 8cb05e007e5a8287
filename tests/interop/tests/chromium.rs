//! Chromium, without a window, reads the page of `pith server` and finds itself described there; and many files over HTTP/3.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    missing_docs
)]

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use pith_interop::{LIMIT, Process, folder, program};
use pith_io::std::Stream;
use pith_tests::network::Link;
use pith_tests::network::proxy::Proxy;
use pith_tests::pair::credential;
use pith_tests::pki::{Kind, Pki, self_signed};
use pith_tls::{EarlyData, Now, ServerConfig, StrikeRegister, Summary, key_pin};

#[test]
fn chromium_reads_the_page_over_the_hybrid_group() {
    // Neither lies in the cache.
    let chromium = program(
        "PITH_CHROMIUM",
        "/usr/bin/chromium",
        "apt-get install chromium",
    );
    let command = concat!(env!("CARGO_TARGET_TMPDIR"), "/../debug/pith");
    let pith = program("PITH_COMMAND", command, "cargo build -p pith");
    let (Some(chromium), Some(pith)) = (chromium, pith) else {
        return;
    };
    // A key that Chromium is told to accept, and one of a CA that it does not know.
    let known = self_signed(Kind::P256, "127.0.0.1");
    let unknown = Pki::new().leaf("127.0.0.1");
    let pin = base64(&key_pin(&known.chain[0]).unwrap());
    for (identity, welcome) in [(&known, true), (&unknown, false)] {
        let home = folder();
        fs::write(home.join("chain.pem"), &identity.chain_pem).unwrap();
        fs::write(home.join("key.pem"), &identity.key_pem).unwrap();
        let mut command = Command::new(&pith);
        command.current_dir(&home);
        command.args(["server", "--listen", "127.0.0.1:0", "--http"]);
        command.args(["--cert", "chain.pem", "--key", "key.pem"]);
        let server = Process::start(&mut command, home);
        let port = server.port_after("listening on ");
        let page = visit(&chromium, port, &pin, &["--disable-quic"]).finish();
        for text in ["TLS 1.3", "X25519MLKEM768"] {
            assert_eq!(
                page.contains(text),
                welcome,
                "{text}: {page}\n{}",
                server.printed()
            );
        }
        if !welcome {
            // The client is named on standard error, with the alert that it sent.
            server.wait_for("certificate_unknown", 1);
        }
    }
}

/// The page says itself how it and each of its scripts came, and the server what was negotiated with it. Chromium is told to come by QUIC: it believes
/// an Alt-Svc of none whose certificate does not lead to a public root.
#[test]
fn chromium_gets_a_page_with_fifty_scripts_over_http3() {
    get_a_page_with_fifty_scripts(None);
}

/// The same with loss and reordering on the way.
#[test]
fn chromium_gets_a_page_with_fifty_scripts_over_a_bad_link() {
    get_a_page_with_fifty_scripts(Some(Link {
        delay: Duration::from_millis(5),
        jitter: Duration::from_millis(3),
        loss: 30,
        reorder: (30, Duration::from_millis(5)),
        duplicate: 10,
        corrupt: 5,
        ..Link::default()
    }));
}

fn get_a_page_with_fifty_scripts(link: Option<Link>) {
    // Neither lies in the cache.
    let chromium = program(
        "PITH_CHROMIUM",
        "/usr/bin/chromium",
        "apt-get install chromium",
    );
    let command = concat!(env!("CARGO_TARGET_TMPDIR"), "/../debug/pith");
    let pith = program("PITH_COMMAND", command, "cargo build -p pith");
    let (Some(chromium), Some(pith)) = (chromium, pith) else {
        return;
    };
    let identity = self_signed(Kind::P256, "127.0.0.1");
    let pin = base64(&key_pin(identity.chain.first().unwrap()).unwrap());
    let home = folder();
    fs::write(home.join("chain.pem"), &identity.chain_pem).unwrap();
    fs::write(home.join("key.pem"), &identity.key_pem).unwrap();
    let root = home.join("www");
    fs::create_dir(&root).unwrap();
    let tags = (0..SCRIPTS).map(|number| {
        let filling = "/".repeat(20_000);
        let script = format!("sum += {number};\n{filling}\n");
        fs::write(root.join(format!("{number}.js")), script).unwrap();
        format!("<script src=\"/{number}.js\"></script>\n")
    });
    let tags: String = tags.collect();
    let page = format!("<!doctype html>\n<script>var sum = 0</script>\n{tags}{ACCOUNT}");
    fs::write(root.join("index.html"), page).unwrap();

    let mut command = Command::new(&pith);
    command.current_dir(&home);
    command.args(["server", "--listen", "127.0.0.1:0", "--quic", "--h3"]);
    command.args(["--root", "www", "--cert", "chain.pem", "--key", "key.pem"]);
    let server = Process::start(command.arg("--json"), home);
    server.wait_for("\"}\n", 1);
    let listening = server.printed();
    let port = listening
        .split("{\"listening\":\"127.0.0.1:")
        .nth(1)
        .unwrap();
    let port: u16 = port.split('"').next().unwrap().parse().unwrap();
    let proxy = link.map(|link| {
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Proxy::new(server, 5, link.clone(), link).unwrap()
    });
    let port = proxy.as_ref().map_or(port, |it| it.address().port());
    let force = format!("--origin-to-force-quic-on=127.0.0.1:{port}");
    let page = visit(&chromium, port, &pin, &[&force]).finish();
    let sum: usize = (0..SCRIPTS).sum();
    let all = SCRIPTS + 1;
    let want = format!("<p id=\"account\">sum {sum}, {all} of {all} over h3</p>");
    assert!(page.contains(&want), "{page}\n{}", server.printed());
    // It says so when the connection ends, which Chromium does when it does.
    server.wait_for("\"protocol\":\"h3\"", 1);
    let printed = server.printed();
    for part in ["\"group\":\"X25519MLKEM768\"", "\"error\":null"] {
        assert!(printed.contains(part), "{printed}");
    }
    for stats in proxy.iter().flat_map(Proxy::stats) {
        let harms = [stats.lost, stats.held];
        assert!(harms.iter().all(|count| *count > 0), "{stats:?}");
    }
}

const SCRIPTS: usize = 50;

/// What the page writes on itself.
const ACCOUNT: &str = "<p id=\"account\"></p>
<script>
addEventListener('load', () => {
  const entries = ['navigation', 'resource'].flatMap(kind => performance.getEntriesByType(kind));
  const own = entries.filter(entry => entry.entryType === 'navigation' || entry.name.endsWith('.js'));
  const h3 = own.filter(entry => entry.nextHopProtocol === 'h3');
  document.getElementById('account').textContent = `sum ${sum}, ${h3.length} of ${own.length} over h3`;
});
</script>
";

/// What Chromium asked for, and how that came.
#[derive(Debug)]
struct Visit {
    path: String,
    resumed: bool,
    early: EarlyData,
}

/// It opens two connections at first, and then one after the other. Whether its request is fast enough for the early data that it
/// negotiates, or this is empty, is its own affair.
#[test]
fn chromium_resumes_offers_early_data_and_expands_certificates() {
    // It does not lie in the cache.
    let chromium = "/usr/bin/chromium";
    let Some(chromium) = program("PITH_CHROMIUM", chromium, "apt-get install chromium") else {
        return;
    };
    let identity = self_signed(Kind::P256, "127.0.0.1");
    let pin = base64(&key_pin(identity.chain.first().unwrap()).unwrap());
    let long_ago = StrikeRegister::new(Now {
        monotonic: Duration::ZERO,
        unix: Duration::ZERO,
    });
    for takes in [false, true] {
        let config = ServerConfig::new(credential(&identity));
        let config = match takes {
            true => config.early_data(10_000, long_ago.clone()),
            false => config,
        };
        let config = config.build().unwrap();
        let log = format!("{}/net-log-{takes}.json", env!("CARGO_TARGET_TMPDIR"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let args = [
            &format!("--log-net-log={log}"),
            "--net-log-capture-mode=Everything",
            "--enable-features=EnableTLS13EarlyData",
            "--disable-quic",
        ];
        let chromium = visit(&chromium, port, &pin, &args);
        let visits = Mutex::new(Vec::new());
        let page = thread::scope(|scope| {
            let chromium = scope.spawn(|| chromium.finish());
            while !chromium.is_finished() {
                match listener.accept() {
                    Ok((tcp, _)) => {
                        scope.spawn(|| serve(&config, tcp, &visits));
                    }
                    Err(_) => thread::sleep(Duration::from_millis(1)),
                }
            }
            chromium.join().unwrap()
        });
        assert!(page.contains("<p>the end</p>"), "{page}");
        let visits = visits.into_inner().unwrap();
        let of = |path: &str| visits.iter().find(|visit| visit.path == path).unwrap();
        assert!(!of("/").resumed, "{visits:?}");
        assert!(of("/3").resumed, "{visits:?}");
        for visit in &visits {
            let want = if takes && visit.resumed {
                EarlyData::Accepted
            } else {
                EarlyData::NotOffered
            };
            assert_eq!(visit.early, want, "{visits:?}");
        }
        let log = fs::read_to_string(&log).unwrap();
        let compressed = received(&log, 25, "GQ");
        let plain = received(&log, 11, "Cw");
        let brotli = cfg!(feature = "brotli");
        assert_eq!(
            (compressed > 0, plain > 0),
            (brotli, !brotli),
            "{compressed} {plain}"
        );
    }
}

/// How many handshake messages of this type a log has, whose first byte looks like this in base 64.
fn received(log: &str, kind: u8, first: &str) -> usize {
    let messages = log.split("\"bytes\":\"").skip(1);
    let ends = messages.filter(|message| message.starts_with(first));
    let ends = ends.filter_map(|message| Some(message.split_once('"')?.1));
    ends.filter(|end| end.starts_with(&format!(",\"type\":{kind}}}")))
        .count()
}

/// One request, and the page that it is for, each of which leads to another.
fn serve(config: &Arc<ServerConfig>, tcp: TcpStream, visits: &Mutex<Vec<Visit>>) -> io::Result<()> {
    tcp.set_nonblocking(false)?;
    tcp.set_read_timeout(Some(LIMIT))?;
    let mut pith = Stream::server(Arc::clone(config), tcp);
    let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let count = pith.read_early(&mut buffer)?;
        request.extend_from_slice(buffer.get(..count).unwrap());
        if count == 0 {
            break;
        }
    }
    while !request.ends_with(b"\r\n\r\n") {
        let count = pith.read(&mut buffer)?;
        request.extend_from_slice(buffer.get(..count).unwrap());
        if count == 0 {
            return Ok(());
        }
    }
    let request = String::from_utf8_lossy(&request);
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    let body = match path.as_str() {
        "/" => "<script>location.replace('/1')</script>",
        "/1" => "<script>location.replace('/2')</script>",
        "/2" => "<script>location.replace('/3')</script>",
        _ => "<p>the end</p>",
    };
    visits.lock().unwrap().push(Visit {
        path,
        resumed: pith.summary().is_some_and(Summary::resumed),
        early: pith.early_data(),
    });
    let length = body.len();
    write!(
        pith,
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )?;
    pith.close()
}

/// The process of Chromium that prints the page as its DOM is in the end.
fn visit(chromium: &Path, port: u16, pin: &str, args: &[&str]) -> Process {
    let home = folder();
    let mut command = Command::new(chromium);
    // No window, no services of its maker's, nothing from an earlier run.
    command.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
    ]);
    command.args([
        "--disable-background-networking",
        "--disable-component-update",
    ]);
    command.arg("--disable-sync");
    command.arg(format!(
        "--user-data-dir={}",
        home.join("profile").display()
    ));
    command.arg(format!("--ignore-certificate-errors-spki-list={pin}"));
    command.args(args);
    command.args(["--virtual-time-budget=5000", "--dump-dom"]);
    command.arg(format!("https://127.0.0.1:{port}/"));
    Process::start(&mut command, home)
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |value: u32| DIGITS.chars().nth(usize::try_from(value).unwrap()).unwrap();
    let groups = bytes.chunks(3).flat_map(|group| {
        let bits = (0..3).fold(0, |bits, place| {
            bits << 8 | u32::from(group.get(place).copied().unwrap_or(0))
        });
        let digits = [18, 12, 6, 0].map(|shift| digit(bits >> shift & 63));
        digits
            .into_iter()
            .take(group.len().saturating_add(1))
            .chain(['='; 2])
            .take(4)
    });
    groups.collect()
}
