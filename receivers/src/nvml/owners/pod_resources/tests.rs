use std::os::unix::fs::FileTypeExt;
use std::sync::Mutex;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http_body_util::BodyExt;
use tokio::net::{UnixListener, UnixStream};
use tonic::server::{NamedService, UnaryService};
use tonic::transport::Server;

use super::messages::{Container, Devices, Pod};
use super::*;

/// `namespace/pod/container resource=id,id`, a container a line.
fn answer(text: &str) -> ListPodResourcesResponse {
    let pods = text.lines().map(|line| {
        let (names, rest) = line.split_once(' ').unwrap();
        let [namespace, pod, container] = names.split('/').collect::<Vec<_>>()[..] else { panic!("{names}") };
        let devices = rest.split(' ').map(|devices| {
            let (resource, ids) = devices.split_once('=').unwrap();
            Devices {
                resource_name: resource.to_owned(),
                device_ids: ids.split(',').map(str::to_owned).collect(),
            }
        });
        Pod {
            name: pod.to_owned(),
            namespace: namespace.to_owned(),
            containers: vec![Container { name: container.to_owned(), devices: devices.collect() }],
        }
    });
    ListPodResourcesResponse { pod_resources: pods.collect() }
}

fn device(uuid: &str, minor: u32, gpu_instance: Option<u32>) -> Device {
    Device { uuid: uuid.to_owned(), minor_number: Some(minor), gpu_instance }
}

fn text(holders: &[Holder]) -> String {
    let text = |holder: &Holder| format!("{}/{}/{}", holder.namespace, holder.pod, holder.container);
    holders.iter().map(text).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_device_is_known_by_every_id_it_may_have() {
    let allocations = Allocations::of(answer(
        "models/llm-0/vllm nvidia.com/gpu=GPU-a,GPU-b\n\
         models/llm-1/vllm nvidia.com/mig-1g.10gb=MIG-c\n\
         models/llm-2/vllm nvidia.com/gpu.shared=GPU-d::0,GPU-d::1\n\
         models/llm-3/vllm nvidia.com/gpu.shared=GPU-d::2\n\
         gke/llm-4/tgi nvidia.com/gpu=nvidia4\n\
         gke/llm-5/tgi nvidia.com/gpu=nvidia5/gi3\n\
         gke/llm-6/tgi nvidia.com/gpu=nvidia6/vgpu0\n\
         gke/llm-7/tgi nvidia.com/gpu=nvidia5/gi4/vgpu1\n\
         other/nic/x rdma/hca=nvidia4,0000:01:00.0 example.com/fpga=GPU",
    ));
    let check = |device: Device, expected: &str| {
        assert_eq!(text(&allocations.holders(&device)), expected, "{device:?}");
    };
    check(device("GPU-a", 0, None), "models/llm-0/vllm");
    check(device("GPU-b", 1, None), "models/llm-0/vllm");
    check(device("MIG-c", 2, Some(9)), "models/llm-1/vllm");
    // One container with two replicas holds the board once.
    check(device("GPU-d", 3, None), "models/llm-2/vllm models/llm-3/vllm");
    check(device("GPU-e", 4, None), "gke/llm-4/tgi");
    check(device("MIG-f", 5, Some(3)), "gke/llm-5/tgi");
    check(device("MIG-g", 5, Some(4)), "gke/llm-7/tgi");
    check(device("GPU-h", 6, None), "gke/llm-6/tgi");
    // An instance does not make its board held, nor the other way.
    check(device("GPU-f", 5, None), "");
    check(device("MIG-i", 4, Some(1)), "");
    let unnumbered = Device { uuid: "GPU-e".to_owned(), minor_number: None, gpu_instance: None };
    check(unnumbered, "");
}

/// Answers as scripted, over gRPC.
#[derive(Clone)]
struct Kubelet(Arc<Mutex<Script>>);

struct Script {
    answer: Result<ListPodResourcesResponse, tonic::Status>,
    asked: usize,
}

impl UnaryService<ListPodResourcesRequest> for Kubelet {
    type Response = ListPodResourcesResponse;
    type Future = BoxFuture<'static, Result<tonic::Response<Self::Response>, tonic::Status>>;

    fn call(&mut self, _: tonic::Request<ListPodResourcesRequest>) -> Self::Future {
        let mut script = self.0.lock().unwrap();
        script.asked += 1;
        let answer = script.answer.clone().map(tonic::Response::new);
        async move { answer }.boxed()
    }
}

impl tower_service::Service<http::Request<tonic::body::Body>> for Kubelet {
    type Response = http::Response<tonic::body::Body>;
    type Error = std::convert::Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        let service = self.clone();
        async move {
            if request.uri().path() != LIST {
                let unknown = tonic::Status::unimplemented(request.uri().path());
                return Ok(unknown.into_http());
            }
            let codec = ProstCodec::<ListPodResourcesResponse, ListPodResourcesRequest>::default();
            let mut grpc = tonic::server::Grpc::new(codec);
            Ok(grpc.unary(service, request).await.map(|body| tonic::body::Body::new(body.boxed_unsync())))
        }
        .boxed()
    }
}

impl NamedService for Kubelet {
    const NAME: &'static str = "v1.PodResourcesLister";
}

/// Streams of a listener, until it is dropped; counts them.
fn serve(socket: &Path, kubelet: Kubelet, connections: Arc<Mutex<usize>>) -> tokio::task::JoinHandle<()> {
    let listener = UnixListener::bind(socket).unwrap();
    let streams = futures_util::stream::unfold(listener, move |listener| {
        let connections = connections.clone();
        async move {
            let stream: Result<UnixStream, _> = listener.accept().await.map(|(stream, _)| stream);
            *connections.lock().unwrap() += 1;
            Some((stream, listener))
        }
    });
    tokio::spawn(async move {
        Server::builder().add_service(kubelet).serve_with_incoming(Box::pin(streams)).await.unwrap();
    })
}

/// Waits until the kubelet's answer is what is expected.
async fn until(pods: &PodResources, expected: &str) {
    let deadline = std::time::Instant::now() + Duration::from_mins(1);
    loop {
        let found = text(&pods.holders(&device("GPU-a", 0, None)));
        if found == expected {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "`{found}`, not `{expected}`");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn the_kubelet_is_asked_over_one_connection_and_may_come_late_fail_and_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("kubelet.sock");
    let pods = PodResources::default();
    let asking = {
        let (pods, socket) = (pods.clone(), socket.clone());
        tokio::spawn(async move { pods.ask_for_ever(&socket, Duration::from_millis(10)).await })
    };
    let script = Script { answer: Ok(answer("models/llm-0/vllm nvidia.com/gpu=GPU-a")), asked: 0 };
    let script = Arc::new(Mutex::new(script));
    let connections = Arc::new(Mutex::new(0));
    let serving = serve(&socket, Kubelet(script.clone()), connections.clone());
    assert!(std::fs::metadata(&socket).unwrap().file_type().is_socket());
    until(&pods, "models/llm-0/vllm").await;
    script.lock().unwrap().answer = Ok(answer("models/llm-1/vllm nvidia.com/gpu=GPU-a"));
    until(&pods, "models/llm-1/vllm").await;
    script.lock().unwrap().answer = Err(tonic::Status::resource_exhausted("too many requests"));
    // What was known is known for a while, and then no more.
    until(&pods, "").await;
    script.lock().unwrap().answer = Ok(answer("models/llm-2/vllm nvidia.com/gpu=GPU-a"));
    until(&pods, "models/llm-2/vllm").await;
    assert_eq!(*connections.lock().unwrap(), 1);
    assert!(script.lock().unwrap().asked >= 4);
    serving.abort();
    let _ = serving.await;
    std::fs::remove_file(&socket).unwrap();
    until(&pods, "").await;
    let again = serve(&socket, Kubelet(script.clone()), connections.clone());
    until(&pods, "models/llm-2/vllm").await;
    again.abort();
    asking.abort();
}

#[tokio::test]
async fn asking_ends_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let stop = CancellationToken::new();
    let socket = folder.path().join("kubelet.sock");
    let asking = tokio::spawn({
        let stop = stop.clone();
        async move { PodResources::default().keep_asking(&socket, stop).await }
    });
    stop.cancel();
    tokio::time::timeout(Duration::from_mins(1), asking).await.unwrap().unwrap();
}
