// Goal: a program that has the store as a library does not start children of an image that is not
// this program's: it refuses Qdrant's snapshots and says where they are taken.
// Method: this test, whose main starts none, gets such an archive. What children read of one is in
// src/qdrant/foreign_snapshot_test.cc.
#include <doctest/doctest.h>

#include "serve/qdrant/scratch_store.h"

using namespace malmoi;

TEST_CASE("without children Qdrant's snapshots are refused, own ones are not") {
  serve::ScratchStore store;
  store.folder.Write("shard/shard_config.json", "{}");
  store.folder.Write("shard/segments/one/segment.json", "{}");
  const std::string path = store.folder.At("shard.snapshot");
  REQUIRE(qdrant::WriteTar(os::PosixVfs(), store.folder.At("shard"), path).ok());
  for (const auto& refused : {store.snapshots->Recover("c", path, {}),
                              store.snapshots->RecoverFolder("c", store.folder.At("shard"))}) {
    REQUIRE(!refused.ok());
    CHECK(refused.error().code() == Code::kInvalidArgument);
    CHECK(refused.error().message().find("'malmoi store import'") != std::string::npos);
  }
  CHECK(!store.service->CollectionExists("c"));
  qdrant::CreateCollection create;
  create.vectors[""].size = 2;
  create.vectors[""].distance = vec::Distance::kDot;
  REQUIRE(store.service->CreateCollection("own", create).ok());
  const auto made = store.snapshots->Create("own").value();
  const std::string own = store.snapshots->PathOf("own", made.name).value();
  CHECK(store.snapshots->Recover("c", own, made.checksum).ok());
}
