//! Who serves a path that its owner has served before.

use super::*;

#[tokio::test]
async fn the_same_owner_takes_over_without_a_gap() {
    let net = Net::default();
    let old = serve(&net, listen("127.0.0.1:0", "/metrics", "owner"), "old").await;
    let address = tcp(&old);
    let mut kept = client(address).await;
    assert_eq!(ask(&mut kept, "/metrics").await, ok("old"));
    let new = serve(&net, listen("127.0.0.1:0", "/metrics", "owner"), "new").await;
    assert_eq!(tcp(&new), address);
    assert_eq!(ask(&mut kept, "/metrics").await, ok("new"));
    old.stop().await;
    assert_eq!(ask(&mut kept, "/metrics").await, ok("new"));
    assert_eq!(get(address, "/metrics").await, ok("new"));
    new.stop().await;
    assert!(TcpStream::connect(address).await.is_err());
    let again = serve(&net, listen(&address.to_string(), "/metrics", "owner"), "again").await;
    assert_eq!(get(tcp(&again), "/metrics").await, ok("again"));
}

#[tokio::test]
async fn what_was_replaced_goes_on_where_the_new_one_ends_first() {
    let net = Net::default();
    let old = serve(&net, listen("127.0.0.1:0", "/metrics", "owner"), "old").await;
    let address = tcp(&old);
    let mut kept = client(address).await;
    for is_stopped in [true, false] {
        let new = serve(&net, listen("127.0.0.1:0", "/metrics", "owner"), "new").await;
        assert_eq!(ask(&mut kept, "/metrics").await, ok("new"));
        let (_, text) = ask(&mut kept, "/else").await;
        assert_eq!(text, "nothing is served at /else; there is /metrics\n");
        if is_stopped {
            new.stop().await;
        } else {
            drop(new);
        }
        assert_eq!(ask(&mut kept, "/metrics").await, ok("old"));
        assert_eq!(get(address, "/metrics").await, ok("old"));
    }
    old.stop().await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn the_last_that_is_left_answers() {
    let net = Net::default();
    let listen = || listen("127.0.0.1:0", "", "owner");
    let first = serve(&net, listen(), "first").await;
    let second = serve(&net, listen(), "second").await;
    let third = serve(&net, listen(), "third").await;
    let address = tcp(&first);
    first.stop().await;
    assert_eq!(get(address, "/").await, ok("third"));
    drop(third);
    assert_eq!(get(address, "/").await, ok("second"));
    second.stop().await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn what_goes_on_has_its_own_tls() {
    let folder = tempfile::tempdir().unwrap();
    let tls = self_signed(folder.path());
    let cert_file = tls.cert_file.clone();
    let private = async |address| get_trusting(&cert_file, address, Protocol::Http1).await.map(|got| got.1);
    let net = Net::default();
    let plain = listen("127.0.0.1:0", "/", "owner");
    let guarded = Listen { tls: Some(tls), ..plain.clone() };
    let old = serve(&net, plain, "plain").await;
    let new = serve(&net, guarded.clone(), "private").await;
    let address = tcp(&old);
    assert_eq!(private(address).await.as_deref(), Some("private"));
    drop(new);
    assert_eq!(get(address, "/").await, ok("plain"));
    let new = serve(&net, guarded, "private").await;
    old.stop().await;
    assert_eq!(private(address).await.as_deref(), Some("private"));
    new.stop().await;
}
