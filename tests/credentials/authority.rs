//! An authority of one's own, and a server's certificate of it.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use tempfile::TempDir;

use crate::support;

/// What there is to make, by `openssl`. The server is 127.0.0.1.
const MAKE: &str = r#"
exec </dev/null
key="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
openssl req -x509 $key -keyout ca.key -out ca.pem -days 2 -subj "/CN=an authority of one's own"
openssl req $key -keyout server.key -out server.csr -subj "/CN=server"
printf 'subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n' >server.ext
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem -days 2 -extfile server.ext
# As Kafka has it.
cat server.key server.pem >keystore.pem
# Servers run as others.
chmod 644 server.key keystore.pem
"#;

/// A folder with certificates.
pub(crate) struct Authority(TempDir);

impl Authority {
    /// Makes one; `None` without `openssl`, which is said.
    pub(crate) fn new() -> Option<Self> {
        if Command::new("openssl").arg("version").output().is_err() {
            support::missing(
                "openssl is not on the PATH, which makes certificates. Get it with `apt-get install openssl`",
            );
            return None;
        }
        let folder = tempfile::Builder::new().prefix("activelog-authority-").tempdir().expect("a folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
        let made = Command::new("sh").args(["-ec", MAKE]).current_dir(folder.path()).output().expect("sh is there");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Some(Self(folder))
    }

    /// Where a file of it is.
    pub(crate) fn file(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }
}
