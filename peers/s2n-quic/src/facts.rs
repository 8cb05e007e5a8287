//! What s2n-quic tells of its connections, as facts.

use s2n_quic::provider::event::events::{
    ActivePathUpdated, CipherSuite, KeyExchangeGroup, KeyType, KeyUpdate,
};
use s2n_quic::provider::event::{ConnectionInfo, ConnectionMeta, Subscriber};

/// Prints them: with the number of the connection before them, for a server.
pub struct Facts {
    pub server: bool,
}

impl Facts {
    fn tell(&self, meta: &ConnectionMeta, key: &str, value: &str) {
        match self.server {
            true => println!("{} {key} {value}", meta.id),
            false => println!("{key} {value}"),
        }
    }
}

impl Subscriber for Facts {
    type ConnectionContext = ();

    fn create_connection_context(&mut self, _: &ConnectionMeta, _: &ConnectionInfo<'_>) {}

    fn on_key_exchange_group(
        &mut self,
        (): &mut (),
        meta: &ConnectionMeta,
        event: &KeyExchangeGroup<'_>,
    ) {
        self.tell(meta, "group", event.chosen_group_name);
    }

    fn on_key_update(&mut self, (): &mut (), meta: &ConnectionMeta, event: &KeyUpdate) {
        match event.key_type {
            KeyType::OneRtt { generation: 0, .. } => {
                let suite = match event.cipher_suite {
                    CipherSuite::TLS_AES_128_GCM_SHA256 { .. } => "TLS_AES_128_GCM_SHA256",
                    CipherSuite::TLS_AES_256_GCM_SHA384 { .. } => "TLS_AES_256_GCM_SHA384",
                    CipherSuite::TLS_CHACHA20_POLY1305_SHA256 { .. } => {
                        "TLS_CHACHA20_POLY1305_SHA256"
                    }
                    _ => "?",
                };
                self.tell(meta, "suite", suite);
            }
            KeyType::OneRtt { generation, .. } => {
                self.tell(meta, "updated", &generation.to_string());
            }
            _ => {}
        }
    }

    fn on_active_path_updated(
        &mut self,
        (): &mut (),
        meta: &ConnectionMeta,
        event: &ActivePathUpdated<'_>,
    ) {
        let client = format!("{:?}", event.active.remote_addr);
        self.tell(meta, "migrated", &client);
    }
}
