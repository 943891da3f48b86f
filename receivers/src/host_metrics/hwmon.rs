//! The chips that the kernel reads sensors from, and what each of their files says.

use crate::machine::root::Root;

const FOLDER: &str = "sys/class/hwmon";

/// A chip, called after the device it is, so that its name stays when chips are numbered anew.
pub(super) struct Chip {
    pub(super) id: String,
    pub(super) name: Option<String>,
    folder: String,
    files: Vec<String>,
}

/// One file of a sensor: `temp1_crit` is of the sensor `temp1`, its kind `temp`, its property `crit`.
pub(super) struct File<'a> {
    name: &'a str,
    pub(super) sensor: &'a str,
    pub(super) kind: &'a str,
    pub(super) property: &'a str,
}

pub(super) fn chips(root: &Root) -> Vec<Chip> {
    let chip = |entry: String| {
        let folder = format!("{FOLDER}/{entry}");
        let name = root.word(&format!("{folder}/name"));
        let id = device(root, &folder).or_else(|| name.as_deref().map(clean)).unwrap_or(entry);
        Chip { id, name, files: root.names(&folder), folder }
    };
    root.names(FOLDER).into_iter().map(chip).collect()
}

impl Chip {
    pub(super) fn files(&self) -> impl Iterator<Item = File<'_>> {
        self.files.iter().filter_map(|name| File::parse(name))
    }

    pub(super) fn label(&self, root: &Root, sensor: &str) -> Option<String> {
        let name = format!("{sensor}_label");
        self.files.contains(&name).then(|| root.word(&format!("{}/{name}", self.folder))).flatten()
    }

    /// The value in the unit of [`File::unit`]. A sensor that does not answer has none.
    pub(super) fn value(&self, root: &Root, file: &File<'_>) -> Option<f64> {
        let number: f64 = root.number(&format!("{}/{}", self.folder, file.name))?;
        Some(number / file.unit().1)
    }
}

impl<'a> File<'a> {
    fn parse(name: &'a str) -> Option<Self> {
        let (sensor, property) = name.split_once('_')?;
        let kind = sensor.trim_end_matches(|c: char| c.is_ascii_digit());
        let is_sensor = kind.len() < sensor.len()
            && matches!(
                kind,
                "temp" | "fan" | "in" | "curr" | "power" | "energy" | "humidity" | "freq" | "pwm"
            );
        is_sensor.then_some(Self { name, sensor, kind, property })
    }

    /// The unit, and how many of the kernel's make one of it. Alarms and settings are numbers.
    pub(super) fn unit(&self) -> (&'static str, f64) {
        let is_switch = ["alarm", "fault", "beep", "enable", "type", "mode", "pulses", "div"]
            .iter()
            .any(|end| self.property.ends_with(end));
        match self.kind {
            _ if is_switch => ("1", 1.0),
            "temp" => ("Cel", 1e3),
            "fan" => ("rpm", 1.0),
            "in" => ("V", 1e3),
            "curr" => ("A", 1e3),
            "power" if self.property.ends_with("interval") => ("1", 1.0),
            "power" => ("W", 1e6),
            "energy" => ("J", 1e6),
            "humidity" => ("%", 1e3),
            "freq" => ("Hz", 1.0),
            _ => ("1", 1.0),
        }
    }
}

/// The last two folders of the device's path: `pci0000:00_0000:00:18_3`.
fn device(root: &Root, folder: &str) -> Option<String> {
    let path = root.path(&format!("{folder}/device")).canonicalize().ok()?;
    let mut names = path.iter().rev().filter_map(|name| name.to_str()).map(clean);
    let (device, bus) = (names.next()?, names.next()?);
    Some(format!("{bus}_{device}"))
}

fn clean(name: &str) -> String {
    let clean: String = name
        .to_ascii_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == ':' { c } else { '_' })
        .collect();
    clean.trim_matches('_').to_owned()
}
