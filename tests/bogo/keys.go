// Writes the seven private keys that the runner embeds, which the crate leaves out, into the folder of its first argument;
// and into the file of its second, for the shim, the SHA-256 of each public key that a certificate of the runner can have.
// They are fresh on every machine; nothing outside the runner's own certificates uses them.
package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"os"
)

func main() {
	var pins []byte
	pin := func(info []byte) {
		hash := sha256.Sum256(info)
		pins = append(hex.AppendEncode(pins, hash[:]), '\n')
	}
	for name, generate := range map[string]func() (crypto.Signer, error){
		"rsa_2048":   func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) },
		"rsa_1024":   func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 1024) },
		"ecdsa_p256": func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) },
		"ecdsa_p384": func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P384(), rand.Reader) },
		"ecdsa_p521": func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P521(), rand.Reader) },
		"channel_id": func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) },
		"ed25519": func() (crypto.Signer, error) {
			_, key, err := ed25519.GenerateKey(rand.Reader)
			return key, err
		},
	} {
		key := must(generate())
		der := must(x509.MarshalPKCS8PrivateKey(key))
		block := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
		check(os.WriteFile(os.Args[1]+"/"+name+"_key.pem", block, 0o600))
		pin(must(x509.MarshalPKIXPublicKey(key.Public())))
		if name == "rsa_2048" {
			pin(pssInfo(key.Public().(*rsa.PublicKey)))
		}
	}
	check(os.WriteFile(os.Args[2], pins, 0o600))
}

// The key as one certificate of the runner has it: as a key for RSA-PSS with SHA-256 alone.
func pssInfo(key *rsa.PublicKey) []byte {
	hash := pkix.AlgorithmIdentifier{
		Algorithm:  asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1},
		Parameters: asn1.NullRawValue,
	}
	mgf := pkix.AlgorithmIdentifier{
		Algorithm:  asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 8},
		Parameters: asn1.RawValue{FullBytes: must(asn1.Marshal(hash))},
	}
	parameters := must(asn1.Marshal(struct {
		Hash pkix.AlgorithmIdentifier `asn1:"explicit,tag:0"`
		MGF  pkix.AlgorithmIdentifier `asn1:"explicit,tag:1"`
		Salt int                      `asn1:"explicit,tag:2"`
	}{hash, mgf, 32}))
	public := x509.MarshalPKCS1PublicKey(key)
	return must(asn1.Marshal(struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}{
		pkix.AlgorithmIdentifier{
			Algorithm:  asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10},
			Parameters: asn1.RawValue{FullBytes: parameters},
		},
		asn1.BitString{Bytes: public, BitLength: 8 * len(public)},
	}))
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
