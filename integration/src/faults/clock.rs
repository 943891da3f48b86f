//! Clocks that jump.

use std::fs;
use std::path::Path;

use tonic::Code;

use super::{Fault, Kind, NONE, Scene, Setup, Skip};
use crate::backend::Behaviour;

pub(super) const FAULTS: &[Fault] = &[Fault {
    name: "clock-jumps",
    does: "the wall clock goes an hour ahead, an hour back, ten years ahead and to 1970",
    setup: || Setup::stored(Kind::Grpc),
    prepare: |scene| Box::pin(async move { prepare(scene) }),
    inject: |scene| Box::pin(jumps(scene)),
    ..NONE
}];

/// Where Debian's package `faketime` has its library.
const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

fn prepare(scene: &mut Scene) -> Result<(), Skip> {
    if !Path::new(LIBRARY).exists() {
        return Err(Skip(String::from("the package `faketime` is not installed")));
    }
    let file = scene.folder.path().join("clock");
    fs::write(&file, "+0").expect("a temporary file can be written");
    let variables = [
        ("LD_PRELOAD", LIBRARY),
        ("FAKETIME_TIMESTAMP_FILE", &file.to_string_lossy()),
        ("FAKETIME_CACHE_DURATION", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("FAKETIME_DONT_RESET", "1"),
    ];
    scene.setup.variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    Ok(())
}

async fn jumps(scene: &mut Scene) -> Result<(), Skip> {
    let hour = 3_600;
    let clock = scene.folder.path().join("clock");
    for (turn, offset) in [hour, -hour, 3_650 * 24 * hour, -490_000 * hour, 0].into_iter().enumerate() {
        let is_away = turn % 2 == 0;
        scene.behave(if is_away { Behaviour::Refuse(Code::Unavailable) } else { Behaviour::Accept });
        fs::write(&clock, format!("{offset:+}")).expect("a temporary file can be written");
        scene.last(1.5, 5.0).await;
        if turn == 2 {
            // Times on disk are now years ahead of those to come.
            scene.kill().await;
            scene.start().await;
        }
    }
    scene.behave(Behaviour::Accept);
    let before = scene.requests();
    scene.last(1.0, 5.0).await;
    scene.expect(scene.requests() > before, "nothing is sent after the clock has jumped");
    Ok(())
}
