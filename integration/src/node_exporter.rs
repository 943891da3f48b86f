//! Debian's node_exporter as a child process, to be read beside the collector.

use std::process::Stdio;

use tokio::process::{Child, Command};

use crate::collector::wait_until;
use crate::http::get;

const PROGRAM: &str = "prometheus-node-exporter";

/// A node_exporter that runs until it is dropped.
#[derive(Debug)]
pub struct NodeExporter {
    pub address: String,
    process: Child,
}

/// Where newer versions look for what udev knows of disks; not what the machine the tests run on has there.
const UDEV: &str = "--path.udev.data";

/// The collectors that the usual dashboard needs and that are off by default; and the defaults of later versions, where
/// Debian's or those of 1.5 are others.
const FLAGS: [&str; 13] = [
    "--collector.interrupts",
    // What somebody has dropped in, on a machine that runs one.
    "--collector.textfile.directory=",
    // Sensors move between two readings; they are compared in a folder.
    "--no-collector.hwmon",
    "--collector.processes",
    "--collector.tcpstat",
    "--collector.meminfo_numa",
    "--collector.mountstats",
    "--collector.cpu.guest",
    "--collector.cpu.info",
    "--collector.netdev.device-exclude=^$",
    "--collector.netclass.ignore-invalid-speed",
    "--collector.filesystem.mount-points-exclude=^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|\
     var/lib/containers/storage/.+)($|/)",
    "--collector.netstat.fields=^(.*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)|\
     Icmp6?_(InMsgs|OutMsgs)|TcpExt_(Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts|TCPOFOQueue|TCPRcvQDrop)|\
     Tcp_(ActiveOpens|InSegs|OutSegs|OutRsts|PassiveOpens|RetransSegs|CurrEstab|MaxConn)|\
     Udp6?_(InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors))$",
];

impl NodeExporter {
    /// Starts with the collectors on that the usual dashboard needs, and waits for its page.
    pub async fn start() -> Self {
        Self::start_with(&FLAGS).await
    }

    /// Starts with these flags, and waits for its page.
    pub async fn start_with(flags: &[impl AsRef<std::ffi::OsStr>]) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port is there");
        let address = listener.local_addr().expect("a listener has an address").to_string();
        drop(listener);
        let help = Command::new(PROGRAM).arg("--help").stdin(Stdio::null()).output().await;
        let help = help.expect("Debian's prometheus-node-exporter tells its flags");
        // Older ones write it to the one, newer ones to the other.
        let help = [help.stdout, help.stderr].concat();
        let knows_udev = String::from_utf8_lossy(&help).contains(UDEV);
        let process = Command::new(PROGRAM)
            .arg(format!("--web.listen-address={address}"))
            .args(knows_udev.then(|| format!("{UDEV}=/nonexistent")))
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("Debian's prometheus-node-exporter starts");
        let is_there = || async { get(&address, "/metrics").await.status == 200 };
        wait_until("node_exporter", is_there, String::new).await;
        Self { address, process }
    }

    pub fn id(&self) -> u32 {
        self.process.id().expect("node_exporter runs")
    }
}
