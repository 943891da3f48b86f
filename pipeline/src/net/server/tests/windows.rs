//! Clients of HTTP/2 that take nothing of an answer, and say so by a window that stays closed.

use bytes::Bytes;
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::task::JoinHandle;

use super::*;

const PIECE_BYTES: usize = 1024;

/// An answer of so many pieces, each a while after the one before.
struct Pieces {
    left: usize,
    wait: Duration,
}

impl HttpService for Pieces {
    fn call(&self, _request: Request<Incoming>) -> BoxFuture<'static, Response<Body>> {
        let (left, wait) = (self.left, self.wait);
        let pieces = futures_util::stream::unfold(left, move |left| async move {
            tokio::time::sleep(wait).await;
            let piece = Frame::data(Bytes::from_static(&[7; PIECE_BYTES]));
            (left > 0).then(|| (Ok::<_, BoxError>(piece), left - 1))
        });
        Box::pin(async move { Response::new(StreamBody::new(pieces).boxed_unsync()) })
    }
}

/// Connects with a window of so many bytes for each answer, and gives a task that ends with the connection.
async fn connect(address: SocketAddr, window: u32) -> (http2::SendRequest<Body>, JoinHandle<()>) {
    let stream = TcpStream::connect(address).await.unwrap();
    let (client, connection) = http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(window)
        .handshake::<_, Body>(TokioIo::new(stream))
        .await
        .unwrap();
    (client, tokio::spawn(async move { _ = connection.await }))
}

async fn get_from(client: &mut http2::SendRequest<Body>) -> hyper::Result<Response<Incoming>> {
    client.send_request(Request::get("http://test/").body(full("")).unwrap()).await
}

async fn time_to_end(connection: JoinHandle<()>) -> Option<u64> {
    let begin = tokio::time::Instant::now();
    tokio::time::timeout(Duration::from_mins(10), connection).await.ok()?.unwrap();
    Some(begin.elapsed().as_secs())
}

#[tokio::test(start_paused = true)]
async fn who_opens_no_window_is_closed() {
    let net = Net::default();
    let pieces = Pieces { left: 100, wait: Duration::ZERO };
    let served = net.serve(listen("127.0.0.1:0", "/", "owner"), Arc::new(pieces)).await.unwrap();
    // None at all, and one that is never opened again.
    for window in [0, 10 * PIECE_BYTES as u32] {
        let (mut client, connection) = connect(tcp(&served), window).await;
        let _response = get_from(&mut client).await.unwrap();
        let seconds = time_to_end(connection).await;
        assert!(seconds.is_some_and(|seconds| (30..=33).contains(&seconds)), "{seconds:?} s");
    }
    tokio::time::timeout(Duration::from_secs(30), served.stop()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_that_is_taken_keeps_no_other_open() {
    let net = Net::default();
    let pieces = Pieces { left: 100, wait: Duration::ZERO };
    let served = net.serve(listen("127.0.0.1:0", "/", "owner"), Arc::new(pieces)).await.unwrap();
    let (mut client, connection) = connect(tcp(&served), 10 * PIECE_BYTES as u32).await;
    let _response = get_from(&mut client).await.unwrap();
    let others = tokio::spawn(async move {
        let mut taken = 0;
        while let Ok(response) = get_from(&mut client).await
            && response.into_body().collect().await.is_ok()
        {
            taken += 1;
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        taken
    });
    let seconds = time_to_end(connection).await;
    assert!(seconds.is_some_and(|seconds| (30..=33).contains(&seconds)), "{seconds:?} s");
    assert!(others.await.unwrap() >= 5);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_takes_long_to_make_is_waited_for() {
    let net = Net::default();
    let pieces = Pieces { left: 3, wait: Duration::from_mins(2) };
    let served = net.serve(listen("127.0.0.1:0", "/", "owner"), Arc::new(pieces)).await.unwrap();
    let (mut client, _connection) = connect(tcp(&served), 1 << 16).await;
    let response = get_from(&mut client).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes().len(), 3 * PIECE_BYTES);
}
