"""Frameworks that keep their vectors in Qdrant, run unchanged against a store: LangChain, LlamaIndex,
Haystack. Run by test_store_integrations.py in an environment of its own: integrations.py URL"""
import hashlib
import sys

DIM = 16
TEXTS = ["the library opens at nine", "books are lent for two weeks", "fines are ten cents a day",
         "the reading room is quiet", "도서관은 아홉 시에 연다"]


def embed(text):
    """A vector of the text alone: equal texts are nearest to each other."""
    digest = hashlib.sha256(text.encode()).digest()[:DIM]
    return [b / 255 - 0.5 for b in digest]


def langchain(url):
    from langchain_core.embeddings import Embeddings
    from langchain_qdrant import QdrantVectorStore
    from qdrant_client import models

    class Digests(Embeddings):
        def embed_documents(self, texts):
            return [embed(t) for t in texts]

        def embed_query(self, text):
            return embed(text)

    store = QdrantVectorStore.from_texts(
        TEXTS, Digests(), metadatas=[{"n": i} for i in range(len(TEXTS))], url=url,
        collection_name="langchain", force_recreate=True)
    assert store.similarity_search(TEXTS[2], k=1)[0].page_content == TEXTS[2]
    (found, score), *_ = store.similarity_search_with_score(TEXTS[4], k=2)
    assert found.metadata["n"] == 4 and score > 0.99
    only = models.Filter(must=[models.FieldCondition(key="metadata.n", range=models.Range(lt=2))])
    assert {d.metadata["n"] for d in store.similarity_search(TEXTS[4], k=5, filter=only)} == {0, 1}
    assert len(store.max_marginal_relevance_search(TEXTS[0], k=3, fetch_k=5)) == 3
    ids = store.add_texts(["a new text"])
    assert store.get_by_ids(ids)[0].page_content == "a new text"
    assert store.delete(ids) and not store.get_by_ids(ids)


def llama_index(url):
    from llama_index.core.schema import TextNode
    from llama_index.core.vector_stores import (FilterOperator, MetadataFilter, MetadataFilters,
                                                VectorStoreQuery)
    from llama_index.vector_stores.qdrant import QdrantVectorStore
    from qdrant_client import QdrantClient

    client = QdrantClient(url=url)
    client.delete_collection("llama_index")
    store = QdrantVectorStore(collection_name="llama_index", client=client)
    nodes = [TextNode(text=t, embedding=embed(t), metadata={"n": i}) for i, t in enumerate(TEXTS)]
    store.add(nodes)
    found = store.query(VectorStoreQuery(query_embedding=embed(TEXTS[3]), similarity_top_k=2))
    assert found.nodes[0].get_content() == TEXTS[3] and found.similarities[0] > 0.99
    filters = MetadataFilters(filters=[MetadataFilter(key="n", value=2, operator=FilterOperator.GTE)])
    found = store.query(VectorStoreQuery(query_embedding=embed(TEXTS[0]), similarity_top_k=9,
                                         filters=filters))
    assert {n.metadata["n"] for n in found.nodes} == {2, 3, 4}
    store.delete_nodes([nodes[0].node_id])
    assert len(store.get_nodes(node_ids=[n.node_id for n in nodes])) == 4


def haystack(url):
    from haystack import Document
    from haystack.document_stores.types import DuplicatePolicy
    from haystack_integrations.components.retrievers.qdrant import QdrantEmbeddingRetriever
    from haystack_integrations.document_stores.qdrant import QdrantDocumentStore

    store = QdrantDocumentStore(url=url, index="haystack", embedding_dim=DIM, recreate_index=True,
                                wait_result_from_api=True, return_embedding=True)
    documents = [Document(content=t, embedding=embed(t), meta={"n": i}) for i, t in enumerate(TEXTS)]
    assert store.write_documents(documents, policy=DuplicatePolicy.OVERWRITE) == len(TEXTS)
    assert store.count_documents() == len(TEXTS)
    some = store.filter_documents({"field": "meta.n", "operator": ">", "value": 2})
    assert {d.meta["n"] for d in some} == {3, 4}
    found = QdrantEmbeddingRetriever(document_store=store, top_k=2).run(query_embedding=embed(TEXTS[1]))
    assert found["documents"][0].content == TEXTS[1]
    store.delete_documents([documents[0].id])
    assert store.count_documents() == len(TEXTS) - 1


if __name__ == "__main__":
    for run in (langchain, llama_index, haystack):
        run(sys.argv[1])
        print(f"{run.__name__}: passed")
