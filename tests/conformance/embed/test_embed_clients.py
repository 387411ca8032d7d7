"""Goal: clients that people have work unchanged.
Method: the official packages against a server of all-MiniLM-L6-v2 on loopback."""
import huggingface_hub
import openai
import pytest


def test_huggingface_hub(minilm):
    client = huggingface_hub.InferenceClient(model=minilm.url)
    vectors = client.feature_extraction(["a text", "another"], normalize=True)
    assert vectors.shape == (2, 384)
    scores = client.sentence_similarity("a text", other_sentences=["a text", "something else"])
    assert scores[0] == pytest.approx(1, abs=1e-5) and scores[1] < scores[0]


def test_openai(minilm):
    client = openai.OpenAI(base_url=minilm.url + "/v1", api_key="none")
    answer = client.embeddings.create(model="all-MiniLM-L6-v2", input=["a text", "another"])
    assert len(answer.data) == 2 and len(answer.data[0].embedding) == 384  # Sent as base64.
    floats = client.embeddings.create(model="m", input="a text", encoding_format="float",
                                      dimensions=16)
    assert len(floats.data[0].embedding) == 16 and floats.usage.total_tokens > 2
    assert [m.id for m in client.models.list()] == ["all-MiniLM-L6-v2"]
    with pytest.raises(openai.BadRequestError):
        client.embeddings.create(model="m", input="")
    with pytest.raises(openai.UnprocessableEntityError):
        client.embeddings.create(model="m", input=["a"] * 1025)
