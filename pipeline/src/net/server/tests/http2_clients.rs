//! Clients of HTTP/2, and those that take nothing of an answer and say so by a window that stays closed.

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

#[tokio::test]
async fn http2_is_spoken_from_the_first_byte() {
    let net = Net::default();
    let served = serve(&net, listen("127.0.0.1:0", "/", "owner"), "two").await;
    let stream = TcpStream::connect(tcp(&served)).await.unwrap();
    let (mut client, connection) =
        http2::handshake::<_, _, Body>(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("http://test/").body(full("")).unwrap();
    let response = client.send_request(request).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "two");
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

/// One HTTP/2 frame.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

#[tokio::test]
async fn who_opens_streams_to_reset_them_is_sent_away() {
    const HEADERS: u8 = 1;
    const RESET: u8 = 3;
    const SETTINGS: u8 = 4;
    const GOAWAY: u8 = 7;
    let net = Net::default();
    let served = serve(&net, listen("127.0.0.1:0", "/", "owner"), "word").await;
    let (mut reader, mut writer) = TcpStream::connect(tcp(&served)).await.unwrap().into_split();
    let flood = tokio::spawn(async move {
        let _ = writer.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        let _ = writer.write_all(&frame(SETTINGS, 0, 0, b"")).await;
        for stream in (1..200_000).step_by(2) {
            // GET / over http, all from HPACK's static table.
            let pair =
                [frame(HEADERS, 5, stream, &[0x82, 0x84, 0x86]), frame(RESET, 0, stream, &[0, 0, 0, 8])];
            if writer.write_all(&pair.concat()).await.is_err() {
                return stream;
            }
        }
        u32::MAX
    });
    let mut kinds = Vec::new();
    let mut head = [0; 9];
    while reader.read_exact(&mut head).await.is_ok() {
        kinds.push(head[3]);
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        if reader.read_exact(&mut vec![0; length]).await.is_err() {
            break;
        }
    }
    assert!(kinds.contains(&GOAWAY), "{} frames", kinds.len());
    assert!(flood.await.unwrap() < u32::MAX);
    assert_eq!(get(tcp(&served), "/").await, ok("word"));
}
