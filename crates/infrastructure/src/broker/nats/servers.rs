use std::fmt;

use percent_encoding::percent_decode_str;
use url::Url;

/// Where the servers are, and who we are to them.
#[derive(Clone)]
pub struct NatsServers {
    /// `nats://host[:port]` of each.
    pub addresses: Vec<String>,
    /// Whether nothing is told to a server that speaks no TLS. Else it is spoken when the server asks for it.
    pub tls: bool,
    /// Who we are; the same to all of them.
    pub login: Option<NatsLogin>,
}

/// Who somebody is to a server.
#[derive(Clone, PartialEq, Eq)]
pub enum NatsLogin {
    /// User and password.
    User(String, String),
    /// A token.
    Token(String),
}

/// Without password and token.
impl fmt::Debug for NatsServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.login.as_ref().map(|login| match login {
            NatsLogin::User(user, _) => user,
            NatsLogin::Token(_) => "a token",
        });
        f.debug_struct("NatsServers")
            .field("addresses", &self.addresses)
            .field("tls", &self.tls)
            .field("user", &user)
            .finish()
    }
}

impl NatsServers {
    /// Reads what a URL says before its options. The driver itself takes no notice of users in URLs.
    pub(super) fn read(text: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = text
            .split_once("://")
            .filter(|(scheme, _)| ["nats", "tls"].contains(scheme))
            .ok_or("must begin with nats:// or tls://")?;
        let mut servers = Self { addresses: Vec::new(), tls: scheme == "tls", login: None };
        for server in rest.split(',') {
            let server = server
                .strip_prefix(scheme)
                .and_then(|rest| rest.strip_prefix("://"))
                .unwrap_or(server)
                .trim_end_matches('/');
            let parsed = Url::parse(&format!("nats://{server}"));
            let parsed = parsed.map_err(|_| "a server must be [user[:password]@]host[:port]")?;
            if parsed.host_str().is_none_or(str::is_empty) {
                return Err("a server has no host");
            }
            // What of another scheme follows a comma would else be a host named `tls`.
            if !parsed.path().is_empty() {
                return Err("servers of one system have the same scheme, and nothing after the port");
            }
            let login = login(&parsed)?;
            if servers.login.is_some() && login.is_some() && servers.login != login {
                return Err("servers of one system have the same user and password");
            }
            servers.login = servers.login.or(login);
            let address = server.rsplit_once('@').map_or(server, |(_, address)| address);
            servers.addresses.push(format!("nats://{address}"));
        }
        Ok(servers)
    }
}

/// Who the URL says we are: a user without a password is a token.
fn login(url: &Url) -> Result<Option<NatsLogin>, &'static str> {
    let decoded = |text: &str| {
        let text = percent_decode_str(text).decode_utf8().map(std::borrow::Cow::into_owned);
        text.map_err(|_| "user and password must be UTF-8, percent-encoded")
    };
    Ok(match (url.username(), url.password()) {
        ("", None) => None,
        (token, None) => Some(NatsLogin::Token(decoded(token)?)),
        (user, Some(password)) => Some(NatsLogin::User(decoded(user)?, decoded(password)?)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_read_and_taken_out_of_the_addresses() {
        let user = |name: &str, password: &str| Some(NatsLogin::User(name.to_owned(), password.to_owned()));
        for (text, addresses, login) in [
            ("nats://a", vec!["nats://a"], None),
            ("nats://ann%61:p%40s%2F@a:7/", vec!["nats://a:7"], user("anna", "p@s/")),
            ("nats://u:p@a,b:7", vec!["nats://a", "nats://b:7"], user("u", "p")),
            ("nats://u:p@a,nats://u:p@[::1]:7", vec!["nats://a", "nats://[::1]:7"], user("u", "p")),
            ("nats://s3cret@a", vec!["nats://a"], Some(NatsLogin::Token("s3cret".to_owned()))),
        ] {
            let servers = NatsServers::read(text).expect(text);
            assert!(servers.addresses == addresses && servers.login == login, "{text}");
            let shown = format!("{servers:?}");
            assert!(!["p@s/", "\"p\"", "s3cret"].iter().any(|secret| shown.contains(secret)), "{shown}");
        }
        let safe = NatsServers::read("tls://u:p@a,tls://b").expect("a URL");
        assert!(safe.tls && safe.addresses == ["nats://a", "nats://b"]);
        for bad in
            ["nats:a", "nats://", "nats://a,tls://b", "http://a", "nats://a,", "nats://u:p@a,v:p@b", "nats://a:x"]
        {
            assert!(NatsServers::read(bad).is_err(), "{bad}");
        }
    }
}
