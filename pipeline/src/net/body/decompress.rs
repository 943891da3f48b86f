//! Decompression in steps: some input in, at most the free room of a buffer out.

use flate2::{Decompress, FlushDecompress, Status};
use zstd::stream::raw::{DParameter, InBuffer, Operation, OutBuffer};

use super::{BodyError, Encoding};

/// Largest zstd window taken, as a power of two: 8 MiB, what every level up to 19 uses.
const WINDOW_LOG_MAX: u32 = 23;

/// Empty gzip members in a row beyond which a stream is not meant honestly: each costs time and yields nothing.
const EMPTY_MEMBERS_MAX: usize = 1024;

/// The state of one stream.
pub(super) enum Decompressor {
    Identity,
    Gzip(Gzip),
    Zstd(Zstd),
}

/// What a step ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// All input is used up.
    InputUsed,
    /// There may be more to come out once there is room.
    OutputFull,
}

/// Members one after the other, as one stream.
pub(super) struct Gzip {
    member: Decompress,
    /// Between members: the stream may end here.
    at_boundary: bool,
    empty_members: usize,
}

/// Frames one after the other, as one stream.
pub(super) struct Zstd {
    decoder: zstd::stream::raw::Decoder<'static>,
    at_boundary: bool,
}

impl Decompressor {
    pub(super) fn new(encoding: Encoding) -> Result<Self, BodyError> {
        Ok(match encoding {
            Encoding::Identity => Self::Identity,
            Encoding::Gzip => {
                Self::Gzip(Gzip { member: Decompress::new_gzip(15), at_boundary: true, empty_members: 0 })
            }
            Encoding::Zstd => {
                let mut decoder = zstd::stream::raw::Decoder::new().map_err(corrupt)?;
                decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX)).map_err(corrupt)?;
                Self::Zstd(Zstd { decoder, at_boundary: true })
            }
        })
    }

    /// Appends to `output` within its capacity, never growing it, and takes what it used from `input`.
    pub(super) fn step(&mut self, input: &mut &[u8], output: &mut Vec<u8>) -> Result<Progress, BodyError> {
        match self {
            Self::Identity => Ok(copy(input, output)),
            Self::Gzip(gzip) => gzip.step(input, output),
            Self::Zstd(zstd) => zstd.step(input, output),
        }
    }

    /// Says whether the stream may end here.
    pub(super) fn finish(&self) -> Result<(), BodyError> {
        match self {
            Self::Gzip(Gzip { at_boundary: false, .. }) | Self::Zstd(Zstd { at_boundary: false, .. }) => {
                Err(BodyError::Corrupt(String::from("the stream is cut short")))
            }
            _ => Ok(()),
        }
    }
}

impl Gzip {
    fn step(&mut self, input: &mut &[u8], output: &mut Vec<u8>) -> Result<Progress, BodyError> {
        loop {
            if self.at_boundary {
                if input.is_empty() {
                    return Ok(Progress::InputUsed);
                }
                if self.member.total_in() > 0 {
                    self.member = Decompress::new_gzip(15);
                }
                self.at_boundary = false;
            }
            if output.len() == output.capacity() {
                return Ok(Progress::OutputFull);
            }
            let before = self.member.total_in();
            let status = self.member.decompress_vec(input, output, FlushDecompress::None).map_err(corrupt)?;
            let used = (self.member.total_in() - before) as usize;
            *input = &input[used..];
            match status {
                Status::StreamEnd => self.end_member()?,
                Status::Ok | Status::BufError => {
                    if output.len() == output.capacity() {
                        return Ok(Progress::OutputFull);
                    }
                    if input.is_empty() {
                        return Ok(Progress::InputUsed);
                    }
                    if used == 0 {
                        return Err(BodyError::Corrupt(String::from("the stream does not go on")));
                    }
                }
            }
        }
    }

    fn end_member(&mut self) -> Result<(), BodyError> {
        self.at_boundary = true;
        self.empty_members = if self.member.total_out() == 0 { self.empty_members + 1 } else { 0 };
        if self.empty_members > EMPTY_MEMBERS_MAX {
            return Err(BodyError::Corrupt(String::from("too many empty gzip members")));
        }
        Ok(())
    }
}

impl Zstd {
    fn step(&mut self, input: &mut &[u8], output: &mut Vec<u8>) -> Result<Progress, BodyError> {
        loop {
            if self.at_boundary && input.is_empty() {
                return Ok(Progress::InputUsed);
            }
            if output.len() == output.capacity() {
                return Ok(Progress::OutputFull);
            }
            let filled = output.len();
            let mut source = InBuffer::around(input);
            let mut target = OutBuffer::around_pos(output, filled);
            let hint = self.decoder.run(&mut source, &mut target).map_err(corrupt)?;
            let used = source.pos();
            *input = &input[used..];
            self.at_boundary = hint == 0;
            if output.len() == output.capacity() {
                return Ok(Progress::OutputFull);
            }
            if input.is_empty() {
                return Ok(Progress::InputUsed);
            }
            if used == 0 && output.len() == filled && !self.at_boundary {
                return Err(BodyError::Corrupt(String::from("the stream does not go on")));
            }
        }
    }
}

fn copy(input: &mut &[u8], output: &mut Vec<u8>) -> Progress {
    let length = input.len().min(output.capacity() - output.len());
    let (taken, rest) = input.split_at(length);
    output.extend_from_slice(taken);
    *input = rest;
    if rest.is_empty() { Progress::InputUsed } else { Progress::OutputFull }
}

pub(super) fn corrupt(error: impl std::fmt::Display) -> BodyError {
    BodyError::Corrupt(error.to_string())
}
