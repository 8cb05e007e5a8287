//! Both halves of every group agree.

use pith_pq::{Group, answer, offer};

#[test]
fn every_group_gives_both_sides_the_same_secret() {
    for &group in Group::ALL {
        let (offer, shares) = offer(&[group]).unwrap();
        assert_eq!(shares[0].bytes.len(), group.client_share_len(), "{group}");
        let (reply, servers) = answer(group, &shares[0].bytes).unwrap();
        assert_eq!(reply.len(), group.server_share_len(), "{group}");
        let clients = offer.finish(group, &reply).unwrap();
        assert_eq!(clients.expose().len(), group.secret_len(), "{group}");
        assert!(clients.ct_eq(servers.expose()), "{group}");
    }
}
