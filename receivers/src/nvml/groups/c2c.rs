//! The links between a board and the CPU that it is built together with.

use super::super::board::Board;
use super::super::fields::Field;
use super::{FieldReading, Group, Of, Reader, Scale};
use crate::recorder::{Definition, Label, Recorder};

const UP: usize = 0;
const SPEED: usize = 1;
const ERRORS: usize = 2;

const METRICS: &[Definition] = &[
    Definition::gauge(
        "nvidia.gpu.c2c.up",
        "1",
        "Whether a link between the CPU and the GPU is up, by nvidia.gpu.c2c.link.",
    ),
    Definition::gauge(
        "nvidia.gpu.c2c.speed",
        "By/s",
        "What a link between the CPU and the GPU can carry in a second, by nvidia.gpu.c2c.link.",
    ),
    Definition::counter(
        "nvidia.gpu.c2c.errors",
        "{error}",
        "Errors of a link between the CPU and the GPU, by nvidia.gpu.c2c.link and error.type: interrupt, replay, replay_back_to_back.",
    ),
];

pub(super) const GROUP: Group = Group {
    name: "c2c",
    about: "The links between a board and the CPU that it is built together with.",
    metrics: METRICS,
    fields: &[FieldReading { field: COUNT, metric: UP, labels: &[], scale: Scale::ByReader }],
    is_default: true,
    interval: super::EACH_TEN_SECONDS,
    of: Of::Boards,
    reader: || Box::new(C2c),
};

struct C2c;

const COUNT: Field = Field::new(170);
const STATUS: u32 = 171;
const BANDWIDTH: u32 = 172;
const COUNTERS: [(u32, &str); 3] = [(231, "interrupt"), (232, "replay"), (233, "replay_back_to_back")];
/// What the bandwidth is told in, in bytes a second.
const MEGABYTE: u64 = 1_000_000;
/// No board has nearly as many, but a driver may say anything.
const LINKS_MAX: u32 = 64;

impl Reader for C2c {
    fn read(&mut self, board: &mut Board, recorder: &mut Recorder) {
        if board.fields.get(COUNT).is_none() {
            board.fetch([COUNT]);
        }
        let count = board.fields.unsigned(COUNT).unwrap_or(0);
        let links = 0..u32::try_from(count).unwrap_or(LINKS_MAX).min(LINKS_MAX);
        let ids = [STATUS, BANDWIDTH].into_iter().chain(COUNTERS.map(|(id, _)| id));
        board.fetch(links.clone().flat_map(|link| ids.clone().map(move |id| Field::of(id, link))));
        for link in links {
            let value = |id| board.fields.unsigned(Field::of(id, link));
            let label = ("nvidia.gpu.c2c.link", Label::Int(link.into()));
            if let Some(status) = value(STATUS) {
                recorder.int(UP, &[label], (status == 1).into());
            }
            if let Some(speed) = value(BANDWIDTH).and_then(|speed| speed.checked_mul(MEGABYTE)) {
                recorder.int(SPEED, &[label], speed);
            }
            for (id, name) in COUNTERS {
                if let Some(count) = value(id) {
                    recorder.int(ERRORS, &[label, ("error.type", Label::Text(name))], count);
                }
            }
        }
    }
}
