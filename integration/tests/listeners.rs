//! What listens, where, and what becomes of garbage that is sent there.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::collections::HashSet;
use std::time::Duration;

use integration::{Collector, Load, get, request, wait_until, with_pipeline};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

/// The local addresses, as the kernel writes them, of the sockets of this process that listen.
fn listening(process: u32) -> Vec<String> {
    let descriptors = std::fs::read_dir(format!("/proc/{process}/fd")).unwrap();
    let links = descriptors.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    let inodes: HashSet<String> = links
        .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let mut addresses = Vec::new();
    for table in ["tcp", "tcp6"] {
        let table = std::fs::read_to_string(format!("/proc/{process}/net/{table}")).unwrap_or_default();
        for line in table.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            if fields[3] == "0A" && inodes.contains(fields[9]) {
                addresses.push(fields[1].to_owned());
            }
        }
    }
    addresses
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_listens_on_this_machine_alone_by_default() {
    let deadline = Instant::now() + Duration::from_secs(20);
    let collector = loop {
        let mut collector = Collector::spawn_default();
        let decided =
            || async { collector.log().contains("INFO ready") || collector.log().contains("failed: ") };
        wait_until("a start or a failure", decided, || collector.log()).await;
        if collector.log().contains("INFO ready") {
            break collector;
        }
        // The default ports are fixed; another collector on this machine may have them for now.
        collector.wait().await;
        assert!(collector.log().contains("cannot listen on"), "{}", collector.log());
        if Instant::now() > deadline {
            eprintln!("skipped: the default ports are taken");
            return;
        }
        sleep(Duration::from_millis(500)).await;
    };
    let addresses = listening(collector.id());
    let (v4, v6) = ("0100007F:", "00000000000000000000000001000000:");
    for address in &addresses {
        assert!(address.starts_with(v4) || address.starts_with(v6), "{addresses:?}");
    }
    for port in [4317, 4318, 8888, 9464] {
        let address = format!("{v4}{port:04X}");
        assert!(addresses.contains(&address), "{port} is not among {addresses:?}");
    }
    assert!(!collector.log().contains("without authentication"), "{}", collector.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn listening_beyond_this_machine_without_authentication_is_warned_about() {
    let open = with_pipeline(&[], &[]).replace("127.0.0.1:0", "0.0.0.0:0");
    let collector = Collector::start(&open).await;
    let log = collector.log();
    for key in [
        "receivers.otlp.protocols.grpc.endpoint",
        "receivers.otlp.protocols.http.endpoint",
        "exporters.prometheus.endpoint",
    ] {
        let warned = |line: &str| {
            line.contains("WARN") && line.contains("without authentication") && line.contains(key)
        };
        assert!(log.lines().any(warned), "no warning for {key} in:\n{log}");
    }
    let guarded = format!(
        "extensions: {{bearer_token_auth: {{token: t}}}}\n{}",
        open.replace("'0.0.0.0:0'", "'0.0.0.0:0', auth: {authenticator: bearer_token_auth}")
            .replace("service:\n", "service:\n  extensions: [bearer_token_auth]\n")
    );
    let collector = Collector::start(&guarded).await;
    assert!(!collector.log().contains("without authentication"), "{}", collector.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_named_with_its_key_by_every_listener() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let config = with_pipeline(&[], &[]);
    let endpoint = |id: &str| {
        config.replace(&format!("{id}: {{endpoint: '127.0.0.1:0'"), &format!("{id}: {{endpoint: '{address}'"))
    };
    let cases = [
        (endpoint("grpc"), "receivers.otlp.protocols.grpc.endpoint"),
        (endpoint("http"), "receivers.otlp.protocols.http.endpoint"),
        (endpoint("prometheus"), "exporters.prometheus.endpoint"),
        (
            config.replace("port: 0", &format!("port: {}", address.port())),
            "service.telemetry.metrics.readers",
        ),
    ];
    for (text, key) in cases {
        assert_ne!(text, config, "{key}");
        let mut collector = Collector::spawn(&text, &[]);
        assert_eq!(collector.wait().await.code(), Some(1), "{key}");
        let log = collector.log();
        let said =
            |line: &str| line.contains("ERROR") && line.contains(&address.to_string()) && line.contains(key);
        assert!(log.lines().any(said), "{key} in:\n{log}");
        assert!(!log.contains("INFO ready"), "{log}");
    }
}

/// What no client means, for any of the listeners.
fn garbage() -> Vec<Vec<u8>> {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let frame = |length: u32, kind: u8, flags: u8, stream: u32, payload: &[u8]| {
        let mut frame = length.to_be_bytes()[1..].to_vec();
        frame.extend_from_slice(&[kind, flags]);
        frame.extend_from_slice(&stream.to_be_bytes());
        frame.extend_from_slice(payload);
        frame
    };
    let settings = frame(0, 4, 0, 0, b"");
    let mut noise = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |length: usize| -> Vec<u8> {
        let bytes = (0..length).map(|_| {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            noise as u8
        });
        bytes.collect()
    };
    let mut garbage: Vec<Vec<u8>> = vec![
        Vec::new(),
        vec![0; 70_000],
        b"\r\n\r\n\r\n\r\n".to_vec(),
        b"GET".to_vec(),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        b"GET /metrics HTTP/1.1\r\nContent-Length: 18446744073709551616\r\n\r\n".to_vec(),
        b"POST /v1/metrics HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n".to_vec(),
        b"POST /v1/metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n"
            .to_vec(),
        b"POST /v1/metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(100_000)).into_bytes(),
        format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(10_000)).into_bytes(),
        preface[..10].to_vec(),
        preface.to_vec(),
        [&preface[..], &random(1_000)].concat(),
        // A frame as long as can be announced, one on stream 0, a continuation of nothing, a ping of a wrong size.
        [&preface[..], &settings, &frame(0xff_ffff, 0, 0, 1, b"")].concat(),
        [&preface[..], &settings, &frame(4, 1, 4, 0, b"\x82\x86\x84\x41")].concat(),
        [&preface[..], &settings, &frame(1, 9, 0, 1, b"\x82")].concat(),
        [&preface[..], &settings, &frame(3, 6, 0, 0, b"abc")].concat(),
        // Header blocks that are none, and a thousand streams that are reset at once.
        [&preface[..], &settings, &frame(5, 1, 5, 1, b"\xff\xff\xff\xff\xff")].concat(),
        [
            &preface[..],
            &settings,
            &(0..1_000)
                .flat_map(|index| {
                    let stream = index * 2 + 1;
                    [frame(3, 1, 4, stream, b"\x82\x86\x84"), frame(4, 3, 0, stream, &[0, 0, 0, 8])].concat()
                })
                .collect::<Vec<u8>>(),
        ]
        .concat(),
        // Headers that go on and on.
        [
            &preface[..],
            &settings,
            &frame(1, 1, 0, 1, b"\x82"),
            &frame(1_000, 9, 0, 1, &[0x82; 1_000]).repeat(200),
        ]
        .concat(),
    ];
    garbage.extend((0..50).map(|length| random(length * 40)));
    garbage
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_harms_no_listener() {
    let mut collector = Collector::start(&with_pipeline(&[], &[])).await;
    let base = collector.descriptors();
    let names = ["gRPC on ", "HTTP on http://", "pull endpoint at http://", "own metrics at http://"];
    let addresses = names.map(|name| collector.address(name));
    let mut open = Vec::new();
    for address in &addresses {
        for bytes in garbage() {
            let mut stream = TcpStream::connect(address).await.unwrap();
            // Whoever is refused early may find the connection closed already.
            let _ = timeout(Duration::from_secs(5), stream.write_all(&bytes)).await;
            open.push(stream);
        }
    }
    for stream in &mut open {
        let _ = stream.shutdown().await;
        let ended = timeout(Duration::from_secs(25), stream.read_to_end(&mut Vec::new())).await;
        assert!(ended.is_ok(), "a connection is kept for garbage");
    }
    drop(open);
    assert!(!collector.has_ended(), "{}", collector.log());
    assert!(!collector.log().contains("panic"), "{}", collector.log());
    let load = Load {
        endpoint: format!("http://{}", addresses[0]),
        source: String::from("honest"),
        requests: 1,
        points_per_request: 1,
        interval: Duration::ZERO,
    };
    assert_eq!(load.run().await.acknowledged, 1);
    let json = ["Content-Type: application/json"];
    assert_eq!(request(&addresses[1], "POST /v1/metrics HTTP/1.1", &json, b"{}").await.status, 200);
    assert_eq!(get(&addresses[2], "/metrics").await.status, 200);
    assert_eq!(get(&addresses[3], "/metrics").await.status, 200);
    let settled = || async { collector.descriptors() <= base + 5 };
    wait_until("descriptors to be given back", settled, || collector.log()).await;
    assert!(collector.stop().await.success(), "{}", collector.log());
}
