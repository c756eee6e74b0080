//! What it costs to know who calls: a verification by each algorithm, and a token that is remembered.
#![expect(clippy::unwrap_used, reason = "a bench that cannot be set up has nothing to measure")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use toolgate::caller::UnixTime;
use toolgate::gateway::verified::VerifiedCache;
use toolgate::token::{
    Algorithm, Bearer, Issuer, Issuers, KeySet, Mint, SigningKey, Verified, mint_hs256, mint_signed, verify,
};

const NOW: UnixTime = UnixTime(1_800_000_000);
const EXPIRES: UnixTime = UnixTime(1_800_003_600);
const SECRET: &[u8] = b"a secret of thirty-two bytes or so";

fn issuers(algorithm: Algorithm, keys: KeySet) -> Issuers {
    let mut issuer = Issuer::new("https://idp.example.com", ["https://mcp.example.com/mcp".into()]);
    issuer.algorithms = [algorithm].into();
    issuer.keys = Some(Arc::new(keys));
    Issuers::new(vec![issuer]).unwrap()
}

fn mint() -> Mint<'static> {
    let mut mint = Mint::new("alice", &["public:read", "confidential:read", "reports:read"], EXPIRES);
    mint.issuer = Some("https://idp.example.com");
    mint.audience = &["https://mcp.example.com/mcp"];
    mint
}

/// A new P-256 key.
fn p256() -> SigningKey {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
    let random = aws_lc_rs::rand::SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    SigningKey::from_pkcs8(document.as_ref()).unwrap()
}

fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("token");
    let hs256 = mint_hs256(SECRET, &mint());
    let by_secret = issuers(Algorithm::HS256, KeySet::from_secret(SECRET).unwrap());
    let bearer = Bearer::try_from(hs256.as_str()).unwrap();
    group.bench_function("verify HS256", |bench| {
        bench.iter(|| verify(black_box(&bearer), &by_secret, NOW).unwrap())
    });

    let key = p256();
    let es256 = mint_signed(&key, &mint()).unwrap();
    let public = KeySet::from_jwks(key.public_jwks().unwrap().as_bytes()).unwrap();
    let by_keys = issuers(Algorithm::ES256, public);
    let bearer = Bearer::try_from(es256.as_str()).unwrap();
    group.bench_function("verify ES256", |bench| bench.iter(|| verify(black_box(&bearer), &by_keys, NOW).unwrap()));

    let cache = VerifiedCache::new(10_000);
    let caller = Arc::new(verify(&bearer, &by_keys, NOW).unwrap());
    cache.put(&bearer, Verified::by_signature(caller, 60, 0));
    group.bench_function("remembered", |bench| bench.iter(|| cache.get(black_box(&bearer), 0, NOW).unwrap()));
    group.finish();
}

criterion_group!(token, benches);
criterion_main!(token);
