//! The fans of a board.

use super::super::board::Board;
use super::{Group, Of, Reader, percent};
use crate::recorder::{Definition, Label, Recorder};

const RATIO: usize = 0;
const SPEED: usize = 1;

const METRICS: &[Definition] = &[
    Definition::gauge(
        "hw.fan.speed_ratio",
        "1",
        "Speed of a fan as a share of its highest, by hw.sensor_location.",
    ),
    Definition::gauge("hw.fan.speed", "rpm", "Speed of a fan, by hw.sensor_location."),
];

pub(super) const GROUP: Group = Group {
    name: "fans",
    about: "The fans of a board that has some.",
    metrics: METRICS,
    fields: &[],
    is_default: true,
    interval: super::EACH_TEN_SECONDS,
    of: Of::Boards,
    reader: || Box::new(Fans),
};

struct Fans;

/// By what its place is told; no board has nearly as many, but a driver may say anything.
const PLACES: [&str; 8] = ["fan0", "fan1", "fan2", "fan3", "fan4", "fan5", "fan6", "fan7"];

impl Reader for Fans {
    fn read(&mut self, board: &mut Board, recorder: &mut Recorder) {
        let Some(count) = board.ask("nvmlDeviceGetNumFans", |device| device.num_fans()) else { return };
        for (number, place) in (0..count).zip(PLACES) {
            let labels = [("hw.sensor_location", Label::Text(place))];
            let ratio = board.ask("nvmlDeviceGetFanSpeed_v2", |device| device.fan_speed(number));
            percent(recorder, RATIO, &labels, ratio);
            if recorder.is_on(SPEED)
                && let Some(speed) =
                    board.ask("nvmlDeviceGetFanSpeedRPM", |device| device.fan_speed_rpm(number))
            {
                recorder.int(SPEED, &labels, speed.into());
            }
        }
    }
}
