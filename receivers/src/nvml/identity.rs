//! What tells a board, or an instance of one, from the others.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use nvml_wrapper::error::{NvmlError, nvml_sym, nvml_try};
use nvml_wrapper::{Device, Nvml};
use pipeline::{AnyValue, Resource};

use super::instances::Found;
use super::life::short_bus_id;
use super::owners::{self, Attributes};
use super::pulse::Pulse;
use crate::recorder::Owner;

/// A board, as it was when it was last asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) uuid: String,
    pub(super) name: String,
    pub(super) index: u32,
    /// As `00000000:01:00.0`; empty where the driver does not tell.
    pub(super) bus_id: String,
    pub(super) minor: Option<u32>,
    /// What is shown once, and not with every reading.
    pub(super) info: Vec<(&'static str, String)>,
}

/// What the library and the driver are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Versions {
    pub(super) driver: Option<String>,
    pub(super) nvml: Option<String>,
    pub(super) cuda: Option<String>,
}

impl Versions {
    pub(super) fn of(nvml: &Nvml) -> Self {
        Self {
            driver: nvml.sys_driver_version().ok(),
            nvml: nvml.sys_nvml_version().ok(),
            cuda: cuda_version(nvml).ok(),
        }
    }

    /// The host's resource, with the driver's version.
    pub(super) fn on(&self, host: &Resource) -> Resource {
        let Some(driver) = &self.driver else { return host.clone() };
        let own = [("hw.driver_version".to_owned(), AnyValue::from(driver.as_str()))];
        let attributes = pipeline::Attributes::new(host.attributes.to_pairs().into_iter().chain(own));
        Resource { attributes, ..host.clone() }
    }
}

/// The wrapper asks by a function that loads libcuda, which may not be there, or not be wanted.
#[expect(unsafe_code, reason = "the wrapper has another function alone")]
fn cuda_version(nvml: &Nvml) -> Result<String, NvmlError> {
    let ask = nvml_sym(nvml.lib().nvmlSystemGetCudaDriverVersion.as_ref())?;
    let mut version = 0;
    // SAFETY: the place is written to before we return.
    nvml_try(unsafe { ask(&raw mut version) })?;
    Ok(format!("{}.{}", version / 1000, version % 1000 / 10))
}

impl Identity {
    /// Asks a board what it is. Without its UUID it is nothing.
    pub(super) fn read(
        device: &Device<'_>,
        index: u32,
        versions: &Versions,
        pulse: &Pulse,
    ) -> Result<Self, NvmlError> {
        let uuid = pulse.during("nvmlDeviceGetUUID", || device.uuid())?;
        let name = pulse.during("nvmlDeviceGetName", || device.name()).ok();
        let pci = pulse.during("nvmlDeviceGetPciInfo", || device.pci_info()).ok();
        let mut info = vec![("hw.vendor", "NVIDIA".to_owned())];
        let mut tell = |key: &'static str, value: Option<String>| {
            info.extend(value.filter(|value| !value.is_empty()).map(|value| (key, value)));
        };
        tell("hw.model", name.clone());
        tell("hw.serial_number", pulse.during("nvmlDeviceGetSerial", || device.serial()).ok());
        let vbios = pulse.during("nvmlDeviceGetVbiosVersion", || device.vbios_version()).ok();
        tell("hw.firmware_version", vbios);
        tell("hw.driver_version", versions.driver.clone());
        tell("nvidia.nvml.version", versions.nvml.clone());
        tell("nvidia.cuda.version", versions.cuda.clone());
        let architecture = pulse.during("nvmlDeviceGetArchitecture", || device.architecture()).ok();
        tell("nvidia.gpu.architecture", architecture.map(|architecture| architecture.to_string()));
        let capability = pulse
            .during("nvmlDeviceGetCudaComputeCapability", || device.cuda_compute_capability())
            .ok()
            .map(|capability| format!("{}.{}", capability.major, capability.minor));
        tell("nvidia.gpu.compute_capability", capability);
        Ok(Self {
            uuid,
            name: name.unwrap_or_default(),
            index: pulse.during("nvmlDeviceGetIndex", || device.index()).unwrap_or(index),
            bus_id: pci.map(|pci| pci.bus_id).unwrap_or_default(),
            minor: pulse.during("nvmlDeviceGetMinorNumber", || device.minor_number()).ok(),
            info,
        })
    }

    /// Its place on PCI, as the kernel's log has it.
    pub(super) fn short_bus_id(&self) -> String {
        short_bus_id(&self.bus_id)
    }

    pub(super) fn device(&self) -> owners::Device {
        owners::Device { uuid: self.uuid.clone(), minor_number: self.minor, gpu_instance: None }
    }

    pub(super) fn device_of(&self, instance: &Found) -> owners::Device {
        owners::Device {
            uuid: instance.uuid.clone(),
            minor_number: self.minor,
            gpu_instance: Some(instance.gpu_instance),
        }
    }

    /// The owner of the board's readings; `more` are attributes beside those that tell it from others.
    pub(super) fn owner(&self, more: &Attributes, resource: &Arc<Resource>) -> Owner {
        self.owned(&self.uuid, more, resource)
    }

    /// The owner of an instance's readings.
    pub(super) fn owner_of(&self, instance: &Found, more: &Attributes, resource: &Arc<Resource>) -> Owner {
        let mut more = more.to_vec();
        more.extend([
            ("hw.parent", AnyValue::from(self.uuid.as_str())),
            ("nvidia.gpu.mig.gpu_instance.id", AnyValue::Int(instance.gpu_instance.into())),
        ]);
        let compute = instance.compute_instance.map(|id| AnyValue::Int(id.into()));
        more.extend(compute.map(|id| ("nvidia.gpu.mig.compute_instance.id", id)));
        let profile = instance.profile.as_deref().map(AnyValue::from);
        more.extend(profile.map(|profile| ("nvidia.gpu.mig.profile", profile)));
        self.owned(&instance.uuid, &more, resource)
    }

    fn owned(&self, id: &str, more: &[(&'static str, AnyValue)], resource: &Arc<Resource>) -> Owner {
        let mut attributes = vec![
            ("hw.id", AnyValue::from(id)),
            ("hw.type", AnyValue::from("gpu")),
            ("hw.gpu.index", AnyValue::Int(self.index.into())),
        ];
        if !self.name.is_empty() {
            attributes.push(("hw.name", AnyValue::from(self.name.as_str())));
        }
        if !self.bus_id.is_empty() {
            attributes.push(("nvidia.gpu.pci.bus_id", AnyValue::from(self.bus_id.as_str())));
        }
        attributes.extend(self.minor.map(|minor| ("nvidia.gpu.minor_number", AnyValue::Int(minor.into()))));
        attributes.extend_from_slice(more);
        owner(attributes.into(), resource)
    }
}

/// An owner that is another as soon as anything of it is, so that its series are others too.
pub(super) fn owner(attributes: Attributes, resource: &Arc<Resource>) -> Owner {
    let mut hasher = DefaultHasher::new();
    format!("{attributes:?}").hash(&mut hasher);
    resource.attributes.as_bytes().hash(&mut hasher);
    Owner { id: hasher.finish(), resource: resource.clone(), attributes, start_unix_nano: 0 }
}
