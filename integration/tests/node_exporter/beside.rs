//! Both of them on this machine.

use integration::{Collector, NodeExporter, get, wait_until, with_pipeline};

use crate::page::Page;

/// A node_exporter and a collector with the schema.
pub(crate) struct Beside {
    theirs: NodeExporter,
    pub(crate) collector: Collector,
    pub(crate) address: String,
}

/// What a page of ours says, between two of theirs: all of it was read after the one and before the other.
pub(crate) struct Round {
    pub(crate) before: Page,
    pub(crate) ours: Page,
    pub(crate) after: Page,
}

impl Beside {
    pub(crate) async fn start() -> Self {
        let theirs = NodeExporter::start().await;
        let (collector, address) = ours(&[]).await;
        Self { theirs, collector, address }
    }

    /// On a machine that is a folder, with these collectors of node_exporter.
    pub(crate) async fn start_on(root: &str, collectors: &[&str]) -> Self {
        let flags = [
            String::from("--collector.disable-defaults"),
            format!("--path.procfs={root}/proc"),
            format!("--path.sysfs={root}/sys"),
            format!("--path.rootfs={root}"),
        ];
        let collectors = collectors.iter().map(|collector| format!("--collector.{collector}"));
        let flags: Vec<_> = flags.into_iter().chain(collectors).collect();
        let theirs = NodeExporter::start_with(&flags).await;
        let set = format!("receivers.host_metrics/node_exporter.root_path={root}");
        let (collector, address) = ours(&["--set", &set]).await;
        Self { theirs, collector, address }
    }

    pub(crate) async fn theirs(&self) -> Page {
        let page = get(&self.theirs.address, "/metrics").await;
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
async fn ours(more: &[&str]) -> (Collector, String) {
    let sets = [
        "exporters.prometheus/node_exporter.endpoint=127.0.0.1:0",
        "receivers.host_metrics/node_exporter.collection_interval=1s",
        "receivers.host_metrics/node_exporter.initial_delay=0s",
    ];
    let sets = sets.iter().flat_map(|set| ["--set", set]);
    let arguments: Vec<_> =
        ["--schema", "node_exporter"].into_iter().chain(sets).chain(more.iter().copied()).collect();
    let collector = Collector::spawn(&with_pipeline(&[], &[]), &arguments);
    collector.wait_for_log("INFO ready").await;
    let log = collector.log();
    let line = log.lines().find(|line| line.contains(PATH)).unwrap();
    let address = line.split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned();
    let is_read = || async { get(&address, PATH).await.text().contains(&format!("\n{CLOCK} ")) };
    wait_until("the first reading", is_read, || collector.log()).await;
    (collector, address)
}
