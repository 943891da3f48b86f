//! Certificates that are changed on either side.

use std::fs;

use super::{Doubles, Fault, NONE, Scene, Skip};
use crate::certificates::{Authority, Issued};
use crate::gate::{Gate, Way};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "server-certificate-rotated",
        does: "the backend shows another certificate of the same authority, and cuts connections",
        doubles: Doubles::UnderWay,
        prepare: |scene| {
            Box::pin(async move {
                let authority = Authority::new();
                let acceptor = authority.acceptor(&authority.issue("localhost"), false);
                guard(scene, &authority, acceptor, "").await;
                scene.authorities.push(authority);
                Ok(())
            })
        },
        inject: |scene| {
            Box::pin(async move {
                for _ in 0..scene.times(2, 10) {
                    let authority = &scene.authorities[0];
                    scene.gate.show(authority.acceptor(&authority.issue("localhost"), false));
                    cut(scene).await;
                    delivers(scene, "with another certificate").await;
                }
                Ok(())
            })
        },
        ..NONE
    },
    Fault {
        name: "client-certificate-rotated",
        does: "the backend wants clients of another authority; the file is half written, and then whole",
        doubles: Doubles::UnderWay,
        prepare: |scene| {
            Box::pin(async move {
                let (first, second) = (Authority::new(), Authority::new());
                let acceptor = first.acceptor(&first.issue("localhost"), true);
                let folder = scene.folder.path().to_owned();
                first.issue("client").write(&folder, "client");
                let folder = folder.display();
                let keys = format!(
                    ", cert_file: '{folder}/client.pem', key_file: '{folder}/client.key', reload_interval: 1s"
                );
                guard(scene, &first, acceptor, &keys).await;
                scene.authorities = vec![first, second];
                Ok(())
            })
        },
        inject: |scene| Box::pin(rotates(scene)),
        ..NONE
    },
];

/// Puts a gate that speaks TLS before the backend.
async fn guard(scene: &mut Scene, authority: &Authority, acceptor: tokio_rustls::TlsAcceptor, keys: &str) {
    let ca = scene.folder.path().join("ca.pem");
    fs::write(&ca, authority.pem()).expect("a temporary file can be written");
    scene.gate = Gate::open_with_tls(scene.backend_address(), acceptor).await;
    scene.setup.scheme = "https";
    scene.setup.address = scene.gate.address.replace("127.0.0.1", "localhost");
    scene.setup.exporter = format!(", tls: {{ca_file: '{}'{keys}}}", ca.display());
}

async fn rotates(scene: &mut Scene) -> Result<(), Skip> {
    let folder = scene.folder.path().to_owned();
    let pem = fs::read_to_string(folder.join("client.pem")).expect("the certificate was written");
    fs::write(folder.join("client.pem"), &pem[..pem.len() / 2]).expect("it can be written again");
    scene.last(1.5, 12.0).await;
    cut(scene).await;
    delivers(scene, "with half a certificate on disk").await;
    let server: Issued = scene.authorities[0].issue("localhost");
    scene.gate.show(scene.authorities[1].acceptor(&server, true));
    cut(scene).await;
    scene.last(1.0, 10.0).await;
    scene.authorities[1].issue("client").write(&folder, "client");
    delivers(scene, "with the new certificate").await;
    Ok(())
}

async fn cut(scene: &mut Scene) {
    scene.breaks += 1;
    scene.gate.turn(Way::Open).await;
}

async fn delivers(scene: &mut Scene, how: &str) {
    let before = scene.account.distinct();
    scene.until(&format!("deliveries {how}"), |scene| scene.account.distinct() > before + 500).await;
}
