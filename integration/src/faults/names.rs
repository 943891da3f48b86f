//! Host names that are gone, not yet there, or lead elsewhere.

use std::fs;
use std::net::Ipv4Addr;
use std::process::Command;
use std::time::Duration;

use tokio::time::Instant;

use super::{Doubles, Fault, NONE, Scene, Skip};
use crate::gate::{Gate, Way};
use crate::name_server::{NameServer, Saying};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "name-gone",
        does: "the backend's name is gone, and its connections are cut: the address is known",
        doubles: Doubles::UnderWay,
        prepare: |scene| Box::pin(async move { prepare(scene, "127.0.0.1 backend.test") }),
        inject: |scene| {
            Box::pin(async move {
                name(scene, "");
                scene.breaks += 1;
                scene.gate.turn(Way::Open).await;
                let before = scene.account.distinct();
                scene
                    .until("deliveries without the name", |scene| scene.account.distinct() > before + 500)
                    .await;
                scene.last(1.0, 30.0).await;
                name(scene, "127.0.0.1 backend.test");
                Ok(())
            })
        },
        ..NONE
    },
    Fault {
        name: "name-late",
        does: "the backend's name is not there when the collector starts",
        prepare: |scene| Box::pin(async move { prepare(scene, "") }),
        inject: |scene| {
            Box::pin(async move {
                scene.last(2.0, 30.0).await;
                scene.expect(scene.account.distinct() == 0, "something came without a name");
                name(scene, "127.0.0.1 backend.test");
                Ok(())
            })
        },
        ..NONE
    },
    Fault {
        name: "name-moves",
        does: "the backend's name leads to another address, and the old one refuses",
        doubles: Doubles::UnderWay,
        prepare: |scene| Box::pin(async move { prepare(scene, "127.0.0.1 backend.test") }),
        inject: |scene| {
            Box::pin(async move {
                moves(scene, |scene| name(scene, "127.0.0.2 backend.test")).await;
                Ok(())
            })
        },
        ..NONE
    },
    Fault {
        name: "name-server-fails",
        does: "connections are cut while the name server fails, knows no name or address, or is silent; then it has another",
        doubles: Doubles::UnderWay,
        prepare: |scene| Box::pin(prepare_server(scene)),
        inject: |scene| Box::pin(server_fails(scene)),
        ..NONE
    },
];

async fn prepare_server(scene: &mut Scene) -> Result<(), Skip> {
    let server = NameServer::start(Saying::Address(Ipv4Addr::LOCALHOST)).await;
    let server = server.map_err(|error| Skip(format!("no name server can be started: {error}")))?;
    prepare(scene, "")?;
    let text = format!("nameserver {}\noptions timeout:1 attempts:1\n", server.address);
    fs::write(scene.folder.path().join("resolv.conf"), text).expect("a temporary file can be written");
    scene.name_server = Some(server);
    Ok(())
}

async fn server_fails(scene: &mut Scene) -> Result<(), Skip> {
    for saying in [Saying::Fails, Saying::NoName, Saying::Empty, Saying::Silence] {
        say(scene, saying);
        scene.breaks += 1;
        scene.gate.turn(Way::Open).await;
        let before = scene.account.distinct();
        let what = format!("deliveries while the name server has {saying:?}");
        scene.until(&what, |scene| scene.account.distinct() > before + 500).await;
        scene.last(0.0, 5.0).await;
    }
    moves(scene, |scene| say(scene, Saying::Address(Ipv4Addr::new(127, 0, 0, 2)))).await;
    Ok(())
}

fn say(scene: &Scene, saying: Saying) {
    scene.name_server.as_ref().expect("there is a name server").say(saying);
}

/// How long it may take until a new address is found, with waits of half a second between attempts.
const FOUND_MAX: Duration = Duration::from_secs(30);

/// Has the backend refuse where it was, and then be where its name is led.
async fn moves(scene: &mut Scene, lead: fn(&Scene)) {
    scene.breaks += 1;
    scene.gate.shut().await;
    scene.last(1.0, 10.0).await;
    let port = scene.gate.address.rsplit(':').next().unwrap_or_default().to_owned();
    let moved = Gate::open_at(&format!("127.0.0.2:{port}"), scene.backend_address()).await;
    // The old one goes on refusing.
    scene.old_gates.push(std::mem::replace(&mut scene.gate, moved));
    lead(scene);
    let start = Instant::now();
    scene.until("deliveries at the new address", |scene| scene.gate.connections() > 0).await;
    let took = start.elapsed();
    scene.expect(took <= FOUND_MAX, &format!("the new address was found after {took:?}"));
}

/// Starts the collector where names are what the scene says.
fn prepare(scene: &mut Scene, line: &str) -> Result<(), Skip> {
    name(scene, line);
    let folder = scene.folder.path().display().to_string();
    // Nobody answers there, at once.
    fs::write(format!("{folder}/resolv.conf"), "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
        .expect("a temporary file can be written");
    let script = format!(
        "mount --bind '{folder}/hosts' /etc/hosts && mount --bind '{folder}/resolv.conf' /etc/resolv.conf"
    );
    scene.setup.wrapper = in_own_mounts(&script)?;
    let port = scene.gate.address.rsplit(':').next().unwrap_or_default().to_owned();
    scene.setup.address = format!("backend.test:{port}");
    Ok(())
}

/// Changes the file in its place: it is mounted.
fn name(scene: &Scene, line: &str) {
    fs::write(scene.folder.path().join("hosts"), format!("127.0.0.1 localhost\n{line}\n"))
        .expect("a temporary file can be written");
}

/// What starts a program with mounts of its own, made by this script; they are gone with it.
pub(super) fn in_own_mounts(script: &str) -> Result<Vec<String>, Skip> {
    let is_allowed = Command::new("unshare").args(["--mount", "true"]).output();
    if !is_allowed.is_ok_and(|output| output.status.success()) {
        return Err(Skip(String::from("`unshare --mount` is not allowed here")));
    }
    let script = format!("{script} && exec \"$@\"");
    Ok(["unshare", "--mount", "sh", "-c", &script, "sh"].map(str::to_owned).to_vec())
}
