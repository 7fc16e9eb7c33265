// Who signs checkpoints, and who vouches for whom.
#include "audit/audit_key.h"
#include "audit/audit_rows.h"
#include "outbound/audit_rig.h"

using namespace openwop;
using namespace openwop::test;

TEST_CASE("exported checkpoints name the key that signed them") {
  AuditRig rig;
  rig.open_all();
  rig.note("a");
  REQUIRE(rig.audit->checkpoint().ok());
  const auto document = rig.audit->export_checkpoints();
  REQUIRE(document.ok());
  const std::string key(json::member(*document, "signingKey").value());
  const std::string pem = text_of(key, "publicKeyPEM");
  CHECK(pem.starts_with("-----BEGIN PUBLIC KEY-----\n"));
  CHECK(text_of(key, "keyId") == sha256_hex(pem).substr(0, 16));
  CHECK(document->find(rig.verify().checkpoints.front().signature) != std::string::npos);
}

TEST_CASE("a new signing key is vouched for by the one before it, whose checkpoints go on to verify") {
  AuditRig rig;
  const std::string first(32, 'k');
  const std::string second(32, 'l');
  const std::string third(32, 'm');
  const auto sign_with = [&](const std::string& key, const std::vector<std::string>& earlier) {
    rig.audit_options.signing_key = key;
    rig.audit_options.earlier_signing_keys = earlier;
    rig.open_all();
    rig.note("by " + key.substr(0, 1));
    REQUIRE(rig.audit->checkpoint().ok());
  };
  sign_with(first, {});
  const std::string first_public = rig.audit->public_key();
  sign_with(second, {first});
  CHECK(rig.audit->public_key() != first_public);
  sign_with(third, {second, first});
  const AuditVerification all = rig.verify();
  CHECK(all.chain_valid);
  REQUIRE(all.checkpoints.size() == 3);
  CHECK(all.checkpoints[0].co_signature.empty());
  CHECK(all.checkpoints[1].co_key_id == all.checkpoints[0].key_id);
  CHECK(all.checkpoints[2].co_key_id == all.checkpoints[1].key_id);

  const auto document = rig.audit->export_checkpoints();
  REQUIRE(document.ok());
  std::vector<std::string> signers;
  json::for_each_element(*json::member(*document, "checkpoints"), [&](std::string_view each) {
    signers.push_back(text_of(std::string(each), "signingKeyId"));
    return true;
  });
  CHECK(signers ==
        std::vector<std::string>{all.checkpoints[0].key_id, all.checkpoints[1].key_id, all.checkpoints[2].key_id});
  const std::string earlier(*json::member(*document, "earlierKeys"));
  CHECK(earlier.find("publicKeyPEM") != earlier.rfind("publicKeyPEM"));
  CHECK(earlier.find(all.checkpoints[1].key_id) < earlier.find(all.checkpoints[0].key_id));

  SECTION("a key that is not known vouches for nothing") {
    sign_with(third, {});
    CHECK_FALSE(rig.verify().checkpoints_valid);
    CHECK(rig.verify(3).checkpoints_valid);  // the second signature's key is forgotten, the first holds
  }
  const auto put = [&](std::size_t i, const AuditCheckpoint& checkpoint) {
    rig.overwrite(audit::row_key('c', all.checkpoints[i].at_sequence), audit::encode_checkpoint(checkpoint));
  };
  SECTION("a second signature cannot be left out, nor be one for another key") {
    AuditCheckpoint bare = all.checkpoints[2];
    bare.co_signature.clear();
    bare.co_key_id.clear();
    put(2, bare);
    CHECK_FALSE(rig.verify().checkpoints_valid);
    // What a key signed under its own name vouches for nobody else.
    AuditCheckpoint taken = all.checkpoints[1];
    taken.co_key_id = all.checkpoints[0].key_id;
    const auto key = audit::AuditKey::of(first);
    REQUIRE(key.ok());
    taken.co_signature = key->sign(audit::signed_bytes(taken.merkle_root));
    put(2, all.checkpoints[2]);
    put(1, taken);
    CHECK_FALSE(rig.verify().checkpoints_valid);
  }
  SECTION("a key signs no more once its successor has") {
    AuditCheckpoint late = all.checkpoints[2];
    const auto key = audit::AuditKey::of(first);
    REQUIRE(key.ok());
    late.signature = key->sign(audit::signed_bytes(late.merkle_root));
    late.key_id = all.checkpoints[0].key_id;
    late.co_signature.clear();
    late.co_key_id.clear();
    put(2, late);
    CHECK_FALSE(rig.verify().checkpoints_valid);
    CHECK_FALSE(rig.verify(2, 3).checkpoints_valid);
  }
  SECTION("either signature that does not hold is noticed") {
    for (const char* member : {"signature\":\"", "coSignature\":\""}) {
      std::string row = audit::encode_checkpoint(all.checkpoints[2]);
      const auto at = row.find(std::string("\"") + member) + std::string_view(member).size() + 1;
      row[at] = row[at] == 'A' ? 'B' : 'A';
      rig.overwrite(audit::row_key('c', all.checkpoints[2].at_sequence), row);
      CHECK_FALSE(rig.verify().checkpoints_valid);
    }
  }
  SECTION("checkpoints of before key ids were written verify with whatever key signed them") {
    AuditCheckpoint old = all.checkpoints[0];
    old.key_id.clear();
    rig.overwrite(audit::row_key('c', old.at_sequence), audit::encode_checkpoint(old));
    CHECK(rig.verify().chain_valid);
  }
  SECTION("keys that make no sense are refused") {
    AuditOptions options{.store = rig.store, .signing_key = first};
    options.earlier_signing_keys = {"short"};
    CHECK(AuditLog::open(options).error().code == ErrorCode::validation_error);
    options.earlier_signing_keys.assign(kMaxEarlierAuditKeys + 1, second);
    CHECK(AuditLog::open(options).error().code == ErrorCode::validation_error);
  }
}
