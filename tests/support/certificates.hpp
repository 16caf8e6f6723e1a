// Certificates for a gateway on localhost, good for a hundred years; no secret of anybody.
//
// Made by `openssl ecparam -name prime256v1 -genkey`, `openssl req -x509` and `openssl x509 -req` with DNS:localhost.
#pragma once

namespace fastptm::tests {

constexpr const char* authority_certificate = R"(-----BEGIN CERTIFICATE-----
MIIBkjCCATegAwIBAgIUJxvc1/jt10XCsub4s8QRt0jChqQwCgYIKoZIzj0EAwIw
HTEbMBkGA1UEAwwSYXV0aG9yaXR5IG9mIHRlc3RzMCAXDTI2MTEyOTIyMTgxMVoY
DzIxMjYxMTA1MjIxODExWjAdMRswGQYDVQQDDBJhdXRob3JpdHkgb2YgdGVzdHMw
WTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARyYb5jXh6hLL/rF0MTlG+sj+Y3RiwU
poY1A8v5wgNtetlsC/UviT62vjYMknyR9s5eH0w+CB5nQUujjp1lswHYo1MwUTAd
BgNVHQ4EFgQUWt/UpByi77mC3RWYaBk87eVgVD4wHwYDVR0jBBgwFoAUWt/UpByi
77mC3RWYaBk87eVgVD4wDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNJADBG
AiEAnQzUb5yNn7ovwJXV71E+5sDb89S82+JGVtBcGOGrx6YCIQCBbQuycDJB+5w/
6dmQqGEMumZ/RbCQcsGEOl+xVa37yQ==
-----END CERTIFICATE-----
)";

// Signed by it.
constexpr const char* localhost_certificate = R"(-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUVMRhgin3l6xtbviXvISumbadF8AwCgYIKoZIzj0EAwIw
HTEbMBkGA1UEAwwSYXV0aG9yaXR5IG9mIHRlc3RzMCAXDTI2MTEyOTIyMTgxMVoY
DzIxMjYxMTA1MjIxODExWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjO
PQIBBggqhkjOPQMBBwNCAAQKK1HBceIhVqf68OjCKxia6xXrr4T9YyFFG3Rz3mnu
6z5SQpbwbMfBwRCGhvD1NuX4OiUsS0Oja4hlCPvdCUV0o2YwZDAUBgNVHREEDTAL
gglsb2NhbGhvc3QwDAYDVR0TAQH/BAIwADAdBgNVHQ4EFgQUsOm4oQMwaxYwM00B
tTP6KXmlE6IwHwYDVR0jBBgwFoAUWt/UpByi77mC3RWYaBk87eVgVD4wCgYIKoZI
zj0EAwIDSAAwRQIgP6AOChkIEv8pkjbvH8mGWDgrwF/qcgAOX6kkMbD23CUCIQDM
pqYxda1tfbf8gdOJqKUP3XgkSuVoey0FIYOScpBG6A==
-----END CERTIFICATE-----
)";

constexpr const char* localhost_key = R"(-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgpCjyvbzucJ99wh3g
mlV7Edoc0t+UHb1RagkVsaqGCF2hRANCAAQKK1HBceIhVqf68OjCKxia6xXrr4T9
YyFFG3Rz3mnu6z5SQpbwbMfBwRCGhvD1NuX4OiUsS0Oja4hlCPvdCUV0
-----END PRIVATE KEY-----
)";

constexpr const char* other_authority_certificate = R"(-----BEGIN CERTIFICATE-----
MIIBjjCCATWgAwIBAgIUTeXPstHGLlRzG7thiEI/0gGkRugwCgYIKoZIzj0EAwIw
HDEaMBgGA1UEAwwRYW5vdGhlciBhdXRob3JpdHkwIBcNMjYxMTI5MjIxODExWhgP
MjEyNjExMDUyMjE4MTFaMBwxGjAYBgNVBAMMEWFub3RoZXIgYXV0aG9yaXR5MFkw
EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE9E7lSsGY2KQc2YBw3cjxG0A8ShU7Mew7
z3OAqgfKTlockeHsx/hRscDFFj26ngwqx/HlaNxP6ul4EjaOPY5+FaNTMFEwHQYD
VR0OBBYEFD0RoluItWSBtVvFN6Rui+V57YqGMB8GA1UdIwQYMBaAFD0RoluItWSB
tVvFN6Rui+V57YqGMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDRwAwRAIg
ZtEp+b2q8cs4QSLVEzNeSjgDnrlWpcuz5JtG9z4ICXQCIAXv/VQEks5R8BpNhC9v
FmRg1LycouOGpUPARfIUIs3B
-----END CERTIFICATE-----
)";

} // namespace fastptm::tests
