"""Calls a server of all-MiniLM-L6-v2 and a reranker through unchanged client packages:

    frameworks.py URL RERANKER      prints a line a client; exits 1 where one failed

Runs in an environment of its own (requirements.txt): these packages pull in many."""
import asyncio
import math
import sys
import traceback

DOCUMENTS = ["cheese is made of milk", "neural networks with many layers", "sky"]
QUERY = "what is deep learning ?"


def same(a, b):
    return len(a) == len(b) == 384 and math.dist(a, b) < 1e-5


def falling(scores):
    assert scores == sorted(scores, reverse=True) and len(set(scores)) > 1, scores


def langchain_openai(url, _):
    from langchain_openai import OpenAIEmbeddings
    client = OpenAIEmbeddings(base_url=url + "/v1", api_key="none", model="all-MiniLM-L6-v2",
                              check_embedding_ctx_length=False)
    assert same(client.embed_documents(DOCUMENTS)[2], client.embed_query("sky"))


def langchain_cohere(url, reranker):
    import cohere
    from langchain_cohere import CohereRerank
    client = CohereRerank(client=cohere.ClientV2(api_key="none", base_url=url), model=reranker,
                          top_n=2, cohere_api_key="none")
    ranks = client.rerank(DOCUMENTS, QUERY)
    assert len(ranks) == 2
    falling([rank["relevance_score"] for rank in ranks])


def cohere_v1(url, reranker):
    import cohere
    client = cohere.Client(api_key="none", base_url=url)
    ranks = client.rerank(model=reranker, query=QUERY, documents=DOCUMENTS,
                          return_documents=True).results
    assert [rank.document.text for rank in ranks] == [DOCUMENTS[rank.index] for rank in ranks]
    falling([rank.relevance_score for rank in ranks])
    objects = [{"text": text} for text in DOCUMENTS]
    one = client.rerank(model=reranker, query=QUERY, documents=objects, top_n=1)
    assert len(one.results) == 1


def cohere_v2(url, reranker):
    import cohere
    client = cohere.ClientV2(api_key="none", base_url=url)
    answer = client.rerank(model=reranker, query=QUERY, documents=DOCUMENTS, top_n=2)
    assert answer.id and len(answer.results) == 2
    falling([rank.relevance_score for rank in answer.results])


def llamaindex_embeddings(url, _):
    from llama_index.embeddings.text_embeddings_inference import TextEmbeddingsInference
    client = TextEmbeddingsInference(model_name="all-MiniLM-L6-v2", base_url=url,
                                     embed_batch_size=10)
    many = client.get_text_embedding_batch(["a text"] * 25)
    assert len(many) == 25 and same(many[24], client.get_text_embedding("a text"))
    assert len(asyncio.run(client.aget_query_embedding("a text"))) == 384


def llamaindex_rerank(url, reranker):
    from llama_index.core.schema import NodeWithScore, TextNode
    from llama_index.postprocessor.tei_rerank import TextEmbeddingInference
    client = TextEmbeddingInference(base_url=url, top_n=2, model_name=reranker)
    nodes = client.postprocess_nodes(
        [NodeWithScore(node=TextNode(text=text)) for text in DOCUMENTS], query_str=QUERY)
    assert len(nodes) == 2
    falling([node.score for node in nodes])


CLIENTS = [langchain_openai, langchain_cohere, cohere_v1, cohere_v2, llamaindex_embeddings,
           llamaindex_rerank]


def main(url, reranker):
    failed = 0
    for client in CLIENTS:
        try:
            client(url, reranker)
            print(f"ok {client.__name__}")
        except Exception:
            failed += 1
            print(f"FAILED {client.__name__}")
            traceback.print_exc(file=sys.stdout)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
