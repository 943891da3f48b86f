//! Both of them on this machine.

use std::process::Stdio;

use integration::{Collector, get, wait_until, with_pipeline};
use tokio::process::{Child, Command};

use crate::page::Page;

/// A node_exporter that runs until it is dropped.
pub(crate) struct Beside {
    _theirs: Child,
    their_address: String,
    pub(crate) collector: Collector,
    pub(crate) address: String,
}

/// What a page of ours says, between two of theirs: all of it was read after the one and before the other.
pub(crate) struct Round {
    pub(crate) before: Page,
    pub(crate) ours: Page,
    pub(crate) after: Page,
}

/// The collectors that the dashboard needs and that are off by default; and the defaults of later versions, where
/// Debian's or 1.5's are others.
const FLAGS: [&str; 11] = [
    "--collector.interrupts",
    "--collector.processes",
    "--collector.tcpstat",
    "--collector.meminfo_numa",
    "--collector.mountstats",
    "--collector.cpu.guest",
    "--collector.cpu.info",
    "--collector.netdev.device-exclude=^$",
    "--collector.netclass.ignore-invalid-speed",
    "--collector.filesystem.mount-points-exclude=^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)",
    "--collector.netstat.fields=^(.*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)|Icmp6?_(InMsgs|OutMsgs)|TcpExt_(Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts|TCPOFOQueue|TCPRcvQDrop)|Tcp_(ActiveOpens|InSegs|OutSegs|OutRsts|PassiveOpens|RetransSegs|CurrEstab|MaxConn)|Udp6?_(InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors))$",
];

impl Beside {
    pub(crate) async fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let their_address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let theirs = Command::new("prometheus-node-exporter")
            .arg(format!("--web.listen-address={their_address}"))
            .args(FLAGS)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("Debian's prometheus-node-exporter starts");
        let is_there = || async { get(&their_address, "/metrics").await.status == 200 };
        wait_until("node_exporter", is_there, String::new).await;
        let (collector, address) = ours().await;
        Self { _theirs: theirs, their_address, collector, address }
    }

    pub(crate) async fn theirs(&self) -> Page {
        let page = get(&self.their_address, "/metrics").await;
        assert_eq!(page.status, 200, "{}", page.text());
        Page::parse(&page.text())
    }

    pub(crate) async fn ours(&self) -> Page {
        Page::parse(&get(&self.address, PATH).await.text())
    }

    /// One page of ours between two of theirs.
    pub(crate) async fn round(&self) -> Round {
        let before = self.theirs().await;
        // A page may be of two readings, and the clock is not the first that is read. But behind the third reading that
        // is new, the last two were begun after `before` was made, and one of them is whole.
        let mut last = before.number(CLOCK).unwrap();
        for _ in 0..3 {
            let is_new = || async {
                let now = self.ours().await.number(CLOCK);
                now.is_some_and(|now| now > last)
            };
            wait_until("another reading", is_new, || self.collector.log()).await;
            last = self.ours().await.number(CLOCK).unwrap();
        }
        let ours = self.ours().await;
        Round { before, ours, after: self.theirs().await }
    }
}

const CLOCK: &str = "node_time_seconds";

/// Where our page is.
pub(crate) const PATH: &str = "/node_exporter/metrics";

/// The collector with the schema, which reads every second, and the address of its page.
async fn ours() -> (Collector, String) {
    let sets = [
        "exporters.prometheus/node_exporter.endpoint=127.0.0.1:0",
        "receivers.host_metrics/node_exporter.collection_interval=1s",
        "receivers.host_metrics/node_exporter.initial_delay=0s",
    ];
    let sets = sets.iter().flat_map(|set| ["--set", set]);
    let arguments: Vec<_> = ["--schema", "node_exporter"].into_iter().chain(sets).collect();
    let collector = Collector::spawn(&with_pipeline(&[], &[]), &arguments);
    collector.wait_for_log("INFO ready").await;
    let log = collector.log();
    let line = log.lines().find(|line| line.contains(PATH)).unwrap();
    let address = line.split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned();
    let is_read = || async { get(&address, PATH).await.text().contains(&format!("\n{CLOCK} ")) };
    wait_until("the first reading", is_read, || collector.log()).await;
    (collector, address)
}
