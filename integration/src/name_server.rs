//! A name server that knows one address for every name, or fails in the ways name servers do.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::UdpSocket;
use tokio_util::task::AbortOnDropHandle;

/// What the server says to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saying {
    /// Every name has this address, and no other.
    Address(Ipv4Addr),
    /// The name is known, and has no address.
    Empty,
    /// `SERVFAIL`: it cannot say.
    Fails,
    /// `NXDOMAIN`: there is no such name.
    NoName,
    /// Nothing.
    Silence,
}

/// A name server at port 53 of an address of the loopback network; gone when dropped.
#[derive(Debug)]
pub struct NameServer {
    pub address: Ipv4Addr,
    saying: Arc<Mutex<Saying>>,
    _work: AbortOnDropHandle<()>,
}

impl NameServer {
    /// Starts where the port is free; an error where that is nowhere, or not allowed.
    pub async fn start(saying: Saying) -> std::io::Result<Self> {
        let mut refused = None;
        for host in 1..=254 {
            let address = Ipv4Addr::new(127, 53, 0, host);
            match UdpSocket::bind(SocketAddr::from((address, 53))).await {
                Ok(socket) => return Ok(Self::serve(address, socket, saying)),
                Err(error) => refused = Some(error),
            }
        }
        Err(refused.expect("addresses were tried"))
    }

    fn serve(address: Ipv4Addr, socket: UdpSocket, saying: Saying) -> Self {
        let saying = Arc::new(Mutex::new(saying));
        let said = saying.clone();
        let work = tokio::spawn(async move {
            let mut question = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut question).await {
                let saying = *said.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(answer) = answer(&question[..length], saying) {
                    let _ = socket.send_to(&answer, from).await;
                }
            }
        });
        Self { address, saying, _work: AbortOnDropHandle::new(work) }
    }

    pub fn say(&self, saying: Saying) {
        *self.saying.lock().unwrap_or_else(PoisonError::into_inner) = saying;
    }
}

/// Where the questions begin, behind id, flags and four counts.
const HEAD: usize = 12;

/// What ends a question: type and class.
const TAIL: usize = 4;

/// Type A, class IN.
const ADDRESS_OF_V4: [u8; TAIL] = [0, 1, 0, 1];

fn answer(question: &[u8], saying: Saying) -> Option<Vec<u8>> {
    let name = question.get(HEAD..)?.iter().position(|byte| *byte == 0)?;
    let end = HEAD + name + 1 + TAIL;
    let asked = question.get(HEAD..end)?;
    let (code, address) = match saying {
        Saying::Address(address) => (0, asked.ends_with(&ADDRESS_OF_V4).then_some(address)),
        Saying::Empty => (0, None),
        Saying::Fails => (2, None),
        Saying::NoName => (3, None),
        Saying::Silence => return None,
    };
    let mut answer = question[..2].to_vec();
    // An answer, to be asked again for others too.
    answer.extend_from_slice(&[0x81, 0x80 | code, 0, 1, 0, u8::from(address.is_some()), 0, 0, 0, 0]);
    answer.extend_from_slice(asked);
    if let Some(address) = address {
        // The name that was asked for, for no time at all.
        answer.extend_from_slice(&[0xc0, HEAD as u8]);
        answer.extend_from_slice(&ADDRESS_OF_V4);
        answer.extend_from_slice(&[0, 0, 0, 0, 0, 4]);
        answer.extend_from_slice(&address.octets());
    }
    Some(answer)
}
