//! `pith server --quic --h3` and `pith get` over HTTP/3.

use std::fs;
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::{Request, Response};
use pith_io::tokio::Endpoint;
use pith_tls::Trust;

use crate::process::{check, run};
use crate::quic::Site;

#[test]
fn files_come_over_http3() {
    let mut site = Site::serving("--h3", "h3-files", &["--json"]);
    let ca = site.made.ca.clone();
    let output = run(&["get", &site.url("/"), "--ca", &ca], b"");
    let said = [
        "QUIC v1",
        "X25519MLKEM768 (post-quantum)",
        "h3",
        "localhost",
    ];
    check("index", &output, 0, &said);
    assert_eq!(output.stdout, b"the index");
    let report: serde_json::Value = serde_json::from_str(&site.server.line()).unwrap();
    assert_eq!(report["protocol"], "h3");
    assert_eq!(report["error"], serde_json::Value::Null);

    let out = site.path("out");
    let urls = ["/large?query", "/sub/empty", "/index.html"].map(|path| site.url(path));
    let get = ["get", &urls[0], &urls[1], &urls[2], "--ca", &ca, "-o", &out];
    check("files", &run(&get, b""), 0, &[]);
    assert!(fs::read(format!("{out}/large")).unwrap() == site.large);
    assert_eq!(fs::read(format!("{out}/empty")).unwrap(), b"");
    assert_eq!(fs::read(format!("{out}/index.html")).unwrap(), b"the index");
    assert_eq!(fs::read_dir(&out).unwrap().count(), 3, "something was left");

    for (name, path, status) in [
        ("no file", "/nothing", "404 Not Found"),
        ("a directory", "/sub", "404 Not Found"),
        ("a link that leads out", "/link", "404 Not Found"),
        ("upwards", "/sub/../index.html", "400 Bad Request"),
    ] {
        let file = site.path("kept");
        fs::write(&file, "old").unwrap();
        let get = ["get", &site.url(path), "--ca", &ca, "-o", &file];
        let said = format!("did not come: the server answered with {status}.");
        check(name, &run(&get, b""), 1, &[&said]);
        assert_eq!(fs::read(&file).unwrap(), b"old", "{name}");
    }
}

#[test]
fn what_get_asks_for_besides() {
    let early = ["--early-data", "--retry"];
    let site = Site::serving("--h3", "h3-options", &early);
    let ca = &site.made.ca;
    let secret = site
        .folder
        .file("secret", "0123456789abcdef0123456789abcdef");
    // A server of a fleet takes none at first.
    let fleet = format!("fleet:{secret}");
    let late = Site::serving("--h3", "h3-fleet", &["--early-data", "--tickets", &fleet]);
    let none = Site::serving("--h3", "h3-plain", &[]);
    let old = Site::serving("--hq", "hq-early", &["--early-data"]);
    for (name, site, options, said) in [
        ("keys", &none, &["--keyupdate"][..], ": updated"),
        (
            "early",
            &site,
            &["--zero-rtt"],
            "early data         accepted\n",
        ),
        (
            "early and keys",
            &site,
            &["--zero-rtt", "--keyupdate"],
            ": updated",
        ),
        (
            "too early",
            &late,
            &["--zero-rtt"],
            "rejected, so the requests were sent again",
        ),
        ("no early data", &none, &["--zero-rtt"], "not offered"),
        (
            "HTTP/0.9",
            &old,
            &["--zero-rtt", "--hq"],
            "early data         accepted\n",
        ),
    ] {
        let ca = &site.made.ca;
        let url = site.url("/");
        let output = run(&[&["get", &url, "--ca", ca], options].concat(), b"");
        check(name, &output, 0, &[said]);
        assert_eq!(output.stdout, b"the index", "{name}");
    }
    let (large, traces) = (site.url("/large"), site.path("traces"));
    let get = ["get", &large, "--ca", ca, "--keyupdate", "--qlog", &traces];
    let output = run(&get, b"");
    check("large", &output, 0, &[": updated"]);
    assert!(output.stdout == site.large);
    let trace = fs::read_dir(traces).unwrap().next().unwrap().unwrap();
    let trace = fs::read_to_string(trace.path()).unwrap();
    for part in [
        "\"retry_source_connection_id\":",
        "\"trigger\":\"local_update\"",
    ] {
        assert!(trace.contains(part), "no {part}");
    }
}

/// Browsers ask over TCP first, and hear there of HTTP/3.
#[test]
fn tcp_on_the_same_port_tells_of_http3() {
    let site = Site::serving("--h3", "h3-tcp", &[]);
    let (server, ca) = (site.server.localhost(), &site.made.ca);
    let (_, port) = server.split_once(':').unwrap();
    let line = format!("\r\nAlt-Svc: h3=\":{port}\"\r\n");
    let ask = |request: &str| {
        let output = run(
            &["client", &server, "--ca", ca, "--alpn=http/1.1"],
            request.as_bytes(),
        );
        check(request, &output, 0, &["http/1.1"]);
        let response = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(response.contains(&line), "{response}");
        response
    };
    fs::write(site.path("www/a.css"), "a {}").unwrap();
    let css = ask("GET /a.css HTTP/1.1\r\n\r\n");
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/css; charset=utf-8\r\nContent-Length: 4\r\n";
    assert!(
        css.starts_with(head) && css.ends_with("\r\n\r\na {}"),
        "{css}"
    );
    for (request, want) in [
        ("GET / HTTP/1.1\r\n\r\n", "200 OK"),
        ("GET /nothing HTTP/1.1\r\n\r\n", "404 Not Found"),
        ("GET /link HTTP/1.1\r\n\r\n", "404 Not Found"),
        ("GET /../secret HTTP/1.1\r\n\r\n", "400 Bad Request"),
        ("POST / HTTP/1.1\r\n\r\n", "405 Method Not Allowed"),
        ("nonsense\r\n\r\n", "400 Bad Request"),
    ] {
        let response = ask(request);
        assert!(
            response.starts_with(&format!("HTTP/1.1 {want}\r\n")),
            "{response}"
        );
    }
    let request = b"GET /large HTTP/1.1\r\n\r\n";
    let output = run(&["client", &server, "--ca", ca, "--alpn=http/1.1"], request);
    assert!(output.stdout.ends_with(&site.large));
    // Without an index both show what was negotiated.
    fs::remove_file(site.path("www/index.html")).unwrap();
    let page = ask("GET / HTTP/1.1\r\n\r\n");
    assert!(page.contains("This connection is post-quantum"), "{page}");
    let output = run(&["get", &site.url("/"), "--ca", ca], b"");
    check("page", &output, 0, &[]);
    let page = String::from_utf8(output.stdout).unwrap();
    assert!(
        page.contains("X25519MLKEM768") && page.contains("<dd>h3</dd>"),
        "{page}"
    );
}

#[test]
fn methods_and_fields() {
    let site = Site::serving("--h3", "h3-fields", &[]);
    let trust = Trust::roots_from_pem(&fs::read(&site.made.ca).unwrap()).unwrap();
    let tls = pith_tls::ClientConfig::new(trust).alpn(&[b"h3"]);
    let config = pith_quic::ClientConfig::new(tls.build().unwrap());
    let config = config.build().unwrap();
    let address = site.server.address.parse().unwrap();
    let methods = [
        ("GET", "/"),
        ("POST", "/"),
        ("HEAD", "/"),
        ("GET", "/nothing"),
    ];
    let asking = async {
        let endpoint = Endpoint::client("127.0.0.1:0").unwrap();
        let connection = endpoint
            .connect(&config, address, "localhost")
            .await
            .unwrap();
        let transport = pith_io::h3::Connection::new(connection);
        let (mut driver, mut requests) = h3::client::new(transport).await.unwrap();
        tokio::spawn(async move { driver.wait_idle().await });
        let mut answers = Vec::new();
        for (method, path) in methods {
            let uri = format!("https://localhost{path}");
            let request = Request::builder().method(method).uri(uri).body(()).unwrap();
            let mut stream = requests.send_request(request).await.unwrap();
            // Who does not read what it is sent stops it.
            let _stopped = stream.send_data(Bytes::from_static(b"body")).await;
            let _stopped = stream.finish().await;
            let response = stream.recv_response().await.unwrap();
            let mut body = Vec::new();
            while let Some(mut part) = stream.recv_data().await.unwrap() {
                body.extend_from_slice(&part.copy_to_bytes(part.remaining()));
            }
            answers.push((response, body));
        }
        answers
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let limited = async { tokio::time::timeout(Duration::from_secs(60), asking).await };
    let answers = runtime.block_on(limited).unwrap();
    let field = |response: &Response<()>, name: &str| {
        let value = response.headers().get(name);
        value.map(|value| value.to_str().unwrap().to_owned())
    };
    let got: Vec<_> = answers
        .iter()
        .zip(methods)
        .map(|((response, body), (method, _))| {
            assert!(method != "HEAD" || body.is_empty());
            let body = if method == "HEAD" {
                b"the index"
            } else {
                &body[..]
            };
            assert_eq!(
                field(response, "content-length"),
                Some(body.len().to_string())
            );
            let kind = field(response, "content-type").unwrap();
            (response.status().as_u16(), kind, field(response, "allow"))
        })
        .collect();
    let [html, plain] = ["html", "plain"].map(|kind| format!("text/{kind}; charset=utf-8"));
    let allow = Some("GET, HEAD".to_owned());
    let want = [
        (200, html.clone(), None),
        (405, plain.clone(), allow),
        (200, html, None),
        (404, plain, None),
    ];
    assert_eq!(got, want);
}
