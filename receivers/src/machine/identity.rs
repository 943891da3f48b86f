//! What tells this host from others: the attributes of its resource.

use pipeline::{Attributes, Resource};
use sysinfo::System;

use super::root::Root;

/// The host's resource, by the semantic conventions for hosts and operating systems.
pub(crate) fn resource(root: &Root) -> Resource {
    let mut pairs =
        vec![("os.type", "linux".to_owned()), ("host.arch", arch(&System::cpu_arch()).to_owned())];
    pairs.extend(host_name(root).map(|name| ("host.name", name)));
    // A mounted root is another system than the one we run on, and describes itself.
    let (name, version) = if root.is_mounted {
        let text = root.read_optional("etc/os-release").unwrap_or_default();
        (word(&text, "NAME"), word(&text, "VERSION_ID"))
    } else {
        (System::name().ok(), System::os_version().ok())
    };
    pairs.extend(name.map(|name| ("os.name", name)));
    pairs.extend(version.map(|version| ("os.version", version)));
    let pairs = pairs.iter().map(|(key, value)| (*key, value.as_str()));
    Resource { attributes: Attributes::of_strings(pairs), ..Resource::default() }
}

fn host_name(root: &Root) -> Option<String> {
    let mounted = root.is_mounted.then(|| root.read_optional("etc/hostname")).flatten();
    let mounted = mounted.map(|text| text.trim().to_owned()).filter(|name| !name.is_empty());
    mounted.or_else(|| System::host_name().ok())
}

/// The value of `KEY="value"` in the text of an `os-release` file.
fn word(text: &str, key: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='))?;
    let value = value.trim_matches(['"', '\'']);
    (!value.is_empty()).then(|| value.to_owned())
}

/// The convention's name for what the kernel calls its processor.
fn arch(machine: &str) -> &str {
    match machine {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "i386" | "i486" | "i586" | "i686" => "x86",
        "ppc64le" => "ppc64",
        machine if machine.starts_with("armv") => "arm32",
        machine => machine,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_called_as_the_conventions_do() {
        assert_eq!(arch("x86_64"), "amd64");
        assert_eq!(arch("aarch64"), "arm64");
        assert_eq!(arch("armv7l"), "arm32");
        assert_eq!(arch("i686"), "x86");
        assert_eq!(arch("s390x"), "s390x");
    }

    #[test]
    fn a_mounted_root_describes_its_own_system() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("etc")).unwrap();
        let text = "PRETTY_NAME=\"Ubuntu 22.04.5 LTS\"\nNAME=\"Ubuntu\"\nVERSION_ID='22.04'\nVERSION=\n";
        std::fs::write(folder.path().join("etc/os-release"), text).unwrap();
        let attributes = resource(&Root::new(folder.path().to_str().unwrap())).attributes;
        assert_eq!(attributes.get("os.name").unwrap().as_str(), Some("Ubuntu"));
        assert_eq!(attributes.get("os.version").unwrap().as_str(), Some("22.04"));
        assert_eq!(word(text, "VERSION"), None);
    }

    #[test]
    fn a_mounted_root_is_named_by_its_own_file_and_not_described_by_ours() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("etc")).unwrap();
        std::fs::write(folder.path().join("etc/hostname"), "node-7\n").unwrap();
        let attributes = resource(&Root::new(folder.path().to_str().unwrap())).attributes;
        assert_eq!(attributes.get("host.name").unwrap().as_str(), Some("node-7"));
        assert!(attributes.get("host.arch").is_some());
        assert!(attributes.get("os.version").is_none());
    }
}
