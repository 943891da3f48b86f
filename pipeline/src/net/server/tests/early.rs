//! Answers that come before the request has been read.

use super::*;

/// More than the buffers of the kernel take on both sides.
const BODY_BYTES: usize = 32 << 20;

/// Answers without a look at the body.
async fn guarded(net: &Net) -> Served {
    serve(
        net,
        Listen { authenticator: Some(String::from("auth")), ..listen("127.0.0.1:0", "/", "owner") },
        "early",
    )
    .await
}

fn net() -> Net {
    let bearer = Bearer { tokens: vec![Source::text("token")], ..Bearer::default() };
    Net::new(HashMap::from([(String::from("auth"), Arc::new(Authenticator::bearer(bearer)))]))
}

/// Sends all of a request before the answer is read, as many clients do.
async fn post(address: SocketAddr, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("POST {path} HTTP/1.1\r\nhost: test\r\ncontent-length: {BODY_BYTES}\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![0; BODY_BYTES]).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn who_sends_all_before_reading_has_the_answer() {
    let net = net();
    let served = guarded(&net).await;
    for (path, headers, status) in [
        ("/", "authorization: Bearer token\r\n", "200 OK"),
        ("/", "", "401 Unauthorized"),
        ("/other", "", "404 Not Found"),
    ] {
        let answer = post(tcp(&served), path, headers).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{answer}");
    }
}

#[tokio::test]
async fn in_http2_the_rest_is_told_not_to_be_wanted() {
    let net = net();
    let served = guarded(&net).await;
    let stream = TcpStream::connect(tcp(&served)).await.unwrap();
    let (mut client, connection) =
        http2::handshake::<_, _, Body>(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for status in [StatusCode::UNAUTHORIZED; 3] {
        let request = Request::post("http://test/").body(full(vec![0; BODY_BYTES])).unwrap();
        assert_eq!(client.send_request(request).await.unwrap().status(), status);
    }
}

#[tokio::test(start_paused = true)]
async fn who_never_ends_is_not_read_for_ever() {
    let net = net();
    let served = guarded(&net).await;
    let mut stream = TcpStream::connect(tcp(&served)).await.unwrap();
    let head = format!("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: {}\r\n\r\n", u64::MAX >> 1);
    stream.write_all(head.as_bytes()).await.unwrap();
    let begin = tokio::time::Instant::now();
    while stream.write_all(&[0; 1024]).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let seconds = begin.elapsed().as_secs();
    // Well before an idle connection is closed.
    assert!((10..60).contains(&seconds), "{seconds} s");
}
