//! Ten minutes without a backend: what that costs in memory, disk and processor time, and how soon it is made up for.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::queues::stored_bytes;
use super::{Doubles, Fault, Kind, NONE, Scene, Setup, Skip};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "ten-minutes-down",
        does: "connections are refused for ten minutes; times run ten times as fast, retries with them",
        // The connection is cut, with requests on it.
        doubles: Doubles::UnderWay,
        setup,
        inject: |scene| Box::pin(goes_down(scene)),
        ..NONE
    },
    Fault {
        name: "ten-minutes-down-restarted",
        does: "the same, with TERM after a third of the time, and kill -9 after another",
        doubles: Doubles::UnderWay,
        setup,
        inject: |scene| {
            Box::pin(async move {
                scene.breaks += 1;
                scene.gate.shut().await;
                scene.last(2.0, 20.0).await;
                let status = scene.terminate().await;
                scene.expect(status.success(), &format!("the collector ended with {status}"));
                scene.start().await;
                scene.last(2.0, 20.0).await;
                scene.kill().await;
                scene.start().await;
                scene.last(2.0, 20.0).await;
                scene.gate.reopen().await;
                catches_up(scene).await;
                Ok(())
            })
        },
        ..NONE
    },
];

/// How much more processor time an outage may take, of a core.
const MORE_BUSY_MAX: f64 = 0.05;

/// How long it may take to make up for an outage, while new points go on.
const CATCHING_UP_MAX: Duration = Duration::from_mins(2);

fn setup() -> Setup {
    Setup {
        retry: String::from("initial_interval: 500ms, max_interval: 3s, max_elapsed_time: 0"),
        ..Setup::stored(Kind::Grpc)
    }
}

async fn goes_down(scene: &mut Scene) -> Result<(), Skip> {
    let usual = busy(scene, 1.0, 10.0).await;
    scene.breaks += 1;
    scene.gate.shut().await;
    let down = busy(scene, 6.0, 60.0).await;
    let shares = format!("{:.1} % of a core before, {:.1} % in the outage", usual * 100.0, down * 100.0);
    let is_storm = !cfg!(debug_assertions) && down > usual + MORE_BUSY_MAX;
    scene.expect(!is_storm, &shares);
    scene.notes.push(shares);
    tells_its_size(scene).await?;
    scene.gate.reopen().await;
    catches_up(scene).await;
    Ok(())
}

/// The share of a core that the collector takes meanwhile.
async fn busy(scene: &Scene, short: f64, full: f64) -> f64 {
    let (start, before) = (Instant::now(), scene.collector().processor_seconds());
    scene.last(short, full).await;
    (scene.collector().processor_seconds() - before) / start.elapsed().as_secs_f64()
}

/// What the gauge says has to be what the files take.
async fn tells_its_size(scene: &mut Scene) -> Result<(), Skip> {
    let told = scene.collector().own_sample("inferometer_storage_size_bytes", &[]).await.unwrap_or_default();
    let taken = stored_bytes(scene)? as f64;
    let text = format!("{:.1} MiB on disk, {:.1} told", taken / 1_048_576.0, told / 1_048_576.0);
    scene.expect((told - taken).abs() <= 0.1 * taken, &text);
    scene.notes.push(text);
    Ok(())
}

/// Waits until little more is queued than what has just come.
async fn catches_up(scene: &mut Scene) {
    let exporter = format!("exporter=\"{}\"", scene.setup.exporter_id());
    let age = "inferometer_exporter_queue_oldest_age_seconds";
    let start = Instant::now();
    loop {
        let age = scene.collector().own_sample(age, &[&exporter]).await;
        if age.is_some_and(|age| age < 1.0) {
            scene.notes.push(format!("caught up in {:.1} s", start.elapsed().as_secs_f64()));
            return;
        }
        if start.elapsed() > CATCHING_UP_MAX {
            scene.expect(false, "it does not catch up");
            return;
        }
        sleep(Duration::from_millis(100)).await;
    }
}
