//! Which of a script's values a field is.

use super::{Answered, unknown};
use crate::abi::errors::{place, places};
use crate::script::{FieldKind, Gpu, NvLink, Reading};
use crate::world::{Answer, Board, Code};
use FieldKind::{SignedInt, UnsignedInt, UnsignedLong, UnsignedLongLong};

/// The scope that stands for all links.
const ALL_LINKS: u32 = u32::MAX;

/// What a field is where the script does not say it.
pub(super) fn look_up(board: &Board, id: u32, scope: u32) -> Answer<Answered> {
    let gpu = board.gpu();
    match id {
        1..=31 | 92 | 93 => memory_errors(board, id),
        32..=73 | 84..=91 | 96..=141 | 146..=167 => links(board, id, scope),
        74..=81 => read(board, UnsignedLongLong, throttle(gpu, id)),
        142..=145 => read(board, UnsignedInt, rows(gpu, id)),
        185 | 186 => read(board, UnsignedInt, power(gpu, id, scope)?),
        187..=190 | 192 => read(board, UnsignedInt, limit(gpu, id)),
        193..=196 => read(board, SignedInt, margin(gpu, id)),
        251..=253 | 269..=271 => read(board, UnsignedLongLong, slowdown(board, id)),
        170..=172 => read(board, UnsignedInt, c2c(gpu, id)),
        82 => read(board, UnsignedInt, &gpu.temperature.memory),
        83 | 191 => read(board, UnsignedLongLong, &gpu.power.energy),
        94 => read(board, UnsignedInt, &gpu.pcie.replays),
        95 => read(board, UnsignedInt, &gpu.pcie.replay_rollovers),
        173 => read(board, UnsignedInt, &gpu.pcie.correctable_errors),
        179 => read(board, UnsignedInt, &gpu.pcie.non_fatal_errors),
        180 => read(board, UnsignedInt, &gpu.pcie.fatal_errors),
        197 => read(board, UnsignedLong, &gpu.pcie.tx),
        198 => read(board, UnsignedLong, &gpu.pcie.rx),
        202 => link(board, UnsignedLongLong, scope, |links| &links.raw_tx, 1024.0),
        204 => link(board, UnsignedLongLong, scope, |links| &links.raw_rx, 1024.0),
        230 => read(board, UnsignedInt, &gpu.recovery_action),
        _ => unknown(),
    }
}

fn read(board: &Board, kind: FieldKind, reading: &Reading) -> Answer<Answered> {
    board.number(reading).map(|number| Answered { kind, number })
}

fn memory_errors(board: &Board, id: u32) -> Answer<Answered> {
    let gpu = board.gpu();
    let of = |kind, counter, location| -> Answer<Answered> {
        read(board, UnsignedLongLong, place(places(&gpu.ecc, kind, counter)?, location))
    };
    let pages = |list: fn(&crate::script::Retired) -> f64| match &gpu.retired {
        Some(retired) => Ok(Answered { kind: UnsignedInt, number: list(retired) }),
        None => Err(Code::NOT_SUPPORTED),
    };
    match id {
        1 => read(board, UnsignedInt, &gpu.ecc.mode),
        2 => read(board, UnsignedInt, &gpu.ecc.pending),
        // Corrected and uncorrected in turn: volatile, then aggregate.
        3..=6 => {
            let places = places(&gpu.ecc, (id - 3) % 2, (id - 3) / 2)?;
            read(board, UnsignedLongLong, &places.total)
        }
        7..=16 => of((id - 7) % 2, 0, (id - 7) / 2),
        17 => of(1, 0, 6),
        18..=27 => of((id - 18) % 2, 1, (id - 18) / 2),
        28 => of(1, 1, 6),
        29 => pages(|retired| retired.single_bit.len() as f64),
        30 => pages(|retired| retired.double_bit.len() as f64),
        _ => match &gpu.retired {
            Some(retired) => read(board, UnsignedInt, &retired.pending),
            None => Err(Code::NOT_SUPPORTED),
        },
    }
}

/// One link's value, or that of all: the scope says which.
fn link(
    board: &Board,
    kind: FieldKind,
    scope: u32,
    of: fn(&NvLink) -> &Reading,
    scale: f64,
) -> Answer<Answered> {
    let links = board.gpu().nvlink.as_ref().ok_or(Code::NOT_SUPPORTED)?;
    let times = match scope {
        ALL_LINKS => f64::from(links.links),
        scope if scope < links.links => 1.0,
        _ => return Err(Code::INVALID_ARGUMENT),
    };
    let number = board.number(of(links))?;
    Ok(Answered { kind, number: number * times * scale })
}

fn links(board: &Board, id: u32, scope: u32) -> Answer<Answered> {
    let links = board.gpu().nvlink.as_ref().ok_or(Code::NOT_SUPPORTED)?;
    let one = |scope, of| link(board, UnsignedLongLong, scope, of, 1.0);
    match id {
        32..=37 => one(id - 32, |links| &links.errors.crc_flit),
        38 => one(ALL_LINKS, |links| &links.errors.crc_flit),
        39..=44 => one(id - 39, |links| &links.errors.crc_data),
        45 => one(ALL_LINKS, |links| &links.errors.crc_data),
        46..=51 => one(id - 46, |links| &links.errors.replay),
        52 => one(ALL_LINKS, |links| &links.errors.replay),
        53..=58 => one(id - 53, |links| &links.errors.recovery),
        59 => one(ALL_LINKS, |links| &links.errors.recovery),
        84..=89 => link(board, UnsignedInt, id - 84, |links| &links.speed, 1.0),
        90 => link(board, UnsignedInt, 0, |links| &links.speed, 1.0),
        91 => Ok(Answered { kind: UnsignedInt, number: f64::from(links.links) }),
        138 => one(scope, |links| &links.tx),
        139 => one(scope, |links| &links.rx),
        140 => one(scope, |links| &links.raw_tx),
        141 => one(scope, |links| &links.raw_rx),
        148..=159 => one(id - 148, |links| &links.errors.ecc_data),
        160 => one(ALL_LINKS, |links| &links.errors.ecc_data),
        161 => one(scope, |links| &links.errors.replay),
        162 => one(scope, |links| &links.errors.recovery),
        163 => one(scope, |links| &links.errors.crc_flit),
        164 => link(board, UnsignedInt, scope, |links| &links.speed, 1.0),
        165 if scope < links.links => {
            Ok(Answered { kind: UnsignedInt, number: f64::from(u8::from(!links.down.contains(&scope))) })
        }
        166 => link(board, UnsignedInt, scope, |links| &links.version, 1.0),
        _ => unknown(),
    }
}

fn throttle(gpu: &Gpu, id: u32) -> &Reading {
    let time = &gpu.throttle.time;
    match id {
        74 => &time.power,
        75 => &time.thermal,
        76 => &time.sync_boost,
        77 => &time.board_limit,
        78 => &time.low_utilization,
        79 => &time.reliability,
        80 => &time.app_clocks,
        _ => &time.base_clocks,
    }
}

/// Heat and brake: a driver from 580.82 on has them at other numbers than those before.
fn slowdown(board: &Board, id: u32) -> &Reading {
    let time = &board.gpu().throttle.time;
    let mut version =
        board.scene.script.driver.version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let is_newer = (version.next().unwrap_or(0), version.next().unwrap_or(0)) >= (580, 82);
    match (id, is_newer) {
        (251, false) | (269, true) => &time.sw_thermal,
        (252, false) | (270, true) => &time.hw_thermal,
        (253, false) | (271, true) => &time.hw_power_brake,
        _ => Reading::NONE,
    }
}

fn rows(gpu: &Gpu, id: u32) -> &Reading {
    match id {
        142 => &gpu.rows.corrected,
        143 => &gpu.rows.uncorrected,
        144 => &gpu.rows.pending,
        _ => &gpu.rows.failed,
    }
}

/// Of the board by scope 0, of the module by scope 1.
fn power(gpu: &Gpu, id: u32, scope: u32) -> Answer<&Reading> {
    match (id, scope) {
        (185, 0) => Ok(&gpu.power.average),
        (186, 0) => Ok(&gpu.power.instant),
        (_, 1) => Ok(&gpu.power.module),
        (_, 2) => Ok(Reading::NONE),
        _ => Err(Code::INVALID_ARGUMENT),
    }
}

fn limit(gpu: &Gpu, id: u32) -> &Reading {
    let limit = &gpu.power.limit;
    match id {
        187 => &limit.min,
        188 => &limit.max,
        189 => &limit.default,
        190 => &limit.enforced,
        _ => &limit.requested,
    }
}

fn margin(gpu: &Gpu, id: u32) -> &Reading {
    let margins = &gpu.temperature.margins;
    match id {
        193 => &margins.shutdown,
        194 => &margins.slowdown,
        195 => &margins.memory_max,
        _ => &margins.gpu_max,
    }
}

fn c2c(gpu: &Gpu, id: u32) -> &Reading {
    match id {
        170 => &gpu.c2c.links,
        171 => &gpu.c2c.status,
        _ => &gpu.c2c.bandwidth,
    }
}
