//! Carries bytes from one side of a gate to the other: late, in fits and starts, or not at all for a while.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

/// How late bytes arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Lateness {
    /// Of every piece.
    pub(super) each_way: Duration,
    /// Of a piece that is lost and sent again, besides; and of all behind it, as TCP keeps the order.
    pub(super) stall: Duration,
}

/// Whether the two sides of a gate reach each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Parting {
    #[default]
    Together,
    /// The next answer gets half through, and nothing behind it.
    NextAnswer,
    Apart,
}

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Requests,
    Answers,
}

/// One piece of so many is lost: five of a hundred.
const LOST_EVERY: u64 = 20;

/// What may be on its way at once, before the sender is held back.
const PIECES_MAX: usize = 256;

/// Carries everything to the end of the reader, and tells the writer that it is the end.
pub(super) async fn carry(
    reader: impl AsyncRead + Unpin,
    writer: impl AsyncWrite + Unpin,
    lateness: Lateness,
    direction: Direction,
    parting: &Arc<watch::Sender<Parting>>,
) -> io::Result<()> {
    let (sender, receiver) = mpsc::channel(PIECES_MAX);
    tokio::try_join!(take(reader, lateness, sender), give(writer, receiver, direction, parting))?;
    Ok(())
}

type Piece = (Instant, Vec<u8>);

async fn take(
    mut reader: impl AsyncRead + Unpin,
    lateness: Lateness,
    pieces: mpsc::Sender<Piece>,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    let mut due = Instant::now();
    for number in 1_u64.. {
        let read = reader.read(&mut buffer).await?;
        if read == 0 {
            break;
        }
        let stall = if number % LOST_EVERY == 0 { lateness.stall } else { Duration::ZERO };
        due = due.max(Instant::now() + lateness.each_way + stall);
        if pieces.send((due, buffer[..read].to_vec())).await.is_err() {
            break;
        }
    }
    Ok(())
}

async fn give(
    mut writer: impl AsyncWrite + Unpin,
    mut pieces: mpsc::Receiver<Piece>,
    direction: Direction,
    parting: &Arc<watch::Sender<Parting>>,
) -> io::Result<()> {
    let mut watched = parting.subscribe();
    while let Some((due, piece)) = pieces.recv().await {
        sleep_until(due).await;
        let mut rest = &piece[..];
        let now = *watched.borrow_and_update();
        if direction == Direction::Answers && now == Parting::NextAnswer {
            let (first, last) = rest.split_at(rest.len() / 2);
            writer.write_all(first).await?;
            rest = last;
            // Unless it is over already.
            parting.send_if_modified(|parting| {
                let is_due = *parting == Parting::NextAnswer;
                if is_due {
                    *parting = Parting::Apart;
                }
                is_due
            });
        }
        let _ = watched.wait_for(|parting| *parting != Parting::Apart).await;
        writer.write_all(rest).await?;
    }
    writer.shutdown().await
}
