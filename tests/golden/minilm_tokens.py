#!/usr/bin/env python3
"""Writes what the reference tokenizer of all-MiniLM-L6-v2 does with 500 texts and with every character of Unicode.

usage: minilm_tokens.py MODEL_DIR OUT_DIR        (needs tokenizers; written with tokenizers 0.23.3)

MODEL_DIR holds tokenizer.json, OUT_DIR (tests/golden/minilm_tokens) receives
  texts.jsonl       {"text": .., "repeat": n}: the text is written n times, one copy behind the other; n is 1 if absent
  ids.jsonl         line by line the ids of that text: {"ids": [..]}, or {"block": [..], "repeat": n} for [CLS], n blocks,
                    [SEP]; nothing is cut
  characters.jsonl  {"first": c, "sha256": ..}: for the 4096 code points from c on, the hash of one line for each (see
                    character_line), surrogates left out

The files pin token ids, on which every embedding depends. They may change when a kind of text is added to the
generator, or when the project decides to follow a newer reference whose tables differ; then bert_characters.hpp changes
with them.
"""
import hashlib
import json
import pathlib
import random
import sys
import unicodedata

from tokenizers import Tokenizer, normalizers, pre_tokenizers

LINES = [
    'The quick brown fox jumps over the lazy dog.', 'Ångström, naïve café, façade, résumé, Øresund, Straße, ﬁne ﬂuﬀ',
    'İstanbul IĞDIR ΑΒΓΔ Σίσυφος ΟΔΟΣ ẞ ǅ ŉ ΐ', 'Đặng Thị Ngọc Thịnh, Việt Nam; Łódź, Kraków; Čeština; Ελληνικά; русский язык Ёлка',
    '我喜欢吃苹果，你呢？', '東京スカイツリーは高い。カタカナ ﾊﾝｶｸ が ガ', '한국어 형태소 분석 각 강 힣 ㄱㄴ', '𠀀𠮷野家 㐀 豈 丽 𫝀 𫠠 𬺰',
    'اللُّغَةُ العَرَبِيَّة ١٢٣ ؟ ـــ', 'हिन्दी में लिखा गया पाठ क्षत्रिय क़', 'ภาษาไทย ไม่มีช่องว่าง', 'עִבְרִית ־ שָׁלוֹם', 'தமிழ் తెలుగు ಕನ್ನಡ മലയാളം বাংলা ಠ_ಠ',
    '👩‍👩‍👧‍👦 👍🏽 🇩🇪 ❤️ 🏴󠁧󠁢󠁥󠁮󠁧󠁿 ☃️ 1️⃣', 'zero\u200bwidth\u200cjoin\u200der \ufeff word\u2060joiner soft\u00adhyphen',
    'controls \x00\x01\x08\x0b\x0c\x1f\x7f\x80\x85\x9f end', 'tabs\tand\r\nlines\n\n\u2028para\u2029graph\u00a0nbsp\u3000wide\u1680ogham\u202fthin',
    '... !!! ?!?! --- ___ ~~~ «» “quoted” ‘single’ … — – ¿¡ §¶ †‡ ‽ 、。「」', '$100.50 £20 €1,000,000 ¥5 50% 3.14159e-10 1/2 ½ x² H₂O №5 Ⅷ ①',
    'https://example.org/a_b?c=1&d=%20#top user.name+tag@mail.example.com', 'C:\\Users\\x\\file.txt /usr/bin/env ../a~b',
    'for (int i = 0; i < n; ++i) { a[i] |= b->c[i] << 2; } // done', "def f(x): return {'k': [x**2, None]}  # λ",
    'SELECT * FROM t WHERE a >= 3 AND b LIKE "%x%";', '<p class="x">&amp;&#233;</p>', r'\frac{\partial L}{\partial w} = \sum_i x_i \alpha^{2}',
    '[CLS] text [SEP] more [MASK] and [UNK] [PAD]', '[cls] [ SEP ] [SEP[SEP]] [[MASK]] a[SEP]b [SE', '[unused0] ##ing ## # [unused99]',
    'unbelievably antidisestablishmentarianism pneumonoultramicroscopicsilicovolcanoconiosis', 'e\u0301 a\u030a\u0323 n\u0303 o\u0302\u0301 \u0301alone q\u0307\u0323',
    'marks \u302e\u1b44 a\u302e\u1b44\u0301b \U0001d165\u1b44 \u0334\u0345', 'newer \u1ac0 \u08ca \u2e5d \ua7cb \ua7dc \U00010d50 \U0001e94a \u061d \U00011938 \u1734 \u166d',
    'noncharacters \ufffe \uffff \U0010ffff private \ue000 \U000f0000 unassigned \u0378 replaced \ufffd', 'ＦＵＬＬ　ｗｉｄｔｈ １２３ ！？', "don't can't it's o'clock rock'n'roll",
    'MIXED Case WORDS With iPhone eBay McDonald', 'K Å Ω ℃ ﷺ ™ ® ©', '\u200f\u202eright to left\u202c \u2066iso\u2069', 'a' + '\u0300' * 60 + 'b',
]


def varied_texts(vocabulary):
    """Yields rows of texts.jsonl, the same ones on every run."""
    for text in ['', ' ', '\t\n  \r\n', '\u3000\u00a0', '\u0301', '\u200b', '\x00', '[SEP]', '.', 'a'] + LINES:
        yield {'text': text}
    for text, repeat in [('a', 99), ('a', 100), ('a', 101), ('é', 100), ('é', 101), ('e\u0301', 101), ('字', 150), ('ab', 50000),
                         ('.', 300), (' ', 5000), ('\u0301', 5000), ('word ', 5000), ('[SEP]', 400), ('1', 100), ('z', 2000)]:
        yield {'text': text, 'repeat': repeat}
    rng = random.Random(20240229)
    paragraphs = [' '.join(rng.choice(vocabulary) for _ in range(120)) + '. ' for _ in range(3)]
    paragraphs.append(' '.join(LINES) + ' ')
    for repeat, text in zip([30, 45, 60, 20], paragraphs):
        yield {'text': text, 'repeat': repeat}
    yield {'text': ' '.join(rng.choice(vocabulary) for _ in range(3000))}
    scripts = [(0x20, 0x7e), (0xa0, 0x24f), (0x300, 0x36f), (0x370, 0x52f), (0x590, 0x6ff), (0x900, 0xdff), (0xe00, 0xfff),
               (0x1d00, 0x1fff), (0x2000, 0x206f), (0x2070, 0x2bff), (0x3000, 0x30ff), (0x4e00, 0x9fff), (0xac00, 0xd7a3),
               (0xf900, 0xffef), (0x10000, 0x11fff), (0x1d000, 0x1d7ff), (0x1f300, 0x1faff), (0x20000, 0x2fa1f), (0, 0x10ffff)]
    count = 0
    while count < 430:
        kind = rng.randrange(5)
        if kind == 0:  # one script
            low, high = rng.choice(scripts)
            text = ''.join(chr(rng.randint(low, high)) if rng.random() < 0.8 else ' ' for _ in range(rng.randint(1, 40)))
        elif kind == 1:  # words of the vocabulary glued and spaced
            text = ''.join(rng.choice(vocabulary) + rng.choice(['', ' ', ' ', '-', '. ', '\n']) for _ in range(rng.randint(1, 25)))
        elif kind == 2:  # slices of the lines above, glued
            text = ''
            for _ in range(rng.randint(1, 4)):
                line = rng.choice(LINES)
                start = rng.randrange(len(line))
                text += line[start:start + rng.randint(1, 25)]
        elif kind == 3:  # any characters
            text = ''.join(chr(rng.choice([rng.randrange(0x250), rng.randrange(0x3000), rng.randrange(0x110000)]))
                           for _ in range(rng.randint(1, 25)))
        else:  # letters with upper case, accents in both forms, digits, punctuation
            text = ''.join(rng.choice('abcdeghilnorstuvyABCDEIOSTÄÉÑÖŒÜßçœıİ0123456789 ' + "  .,;:-_'\"()/") + rng.choice(
                ['', '', '', '', '\u0301', '\u0308', '\u0323']) for _ in range(rng.randint(1, 60)))
            text = unicodedata.normalize(rng.choice(['NFC', 'NFD']), text)
        if any(0xd800 <= ord(c) < 0xe000 for c in text):
            continue
        count += 1
        yield {'text': text}


def ids_row(tokenizer, row):
    """Returns the row of ids.jsonl; checks that truncation keeps the first tokens, as the test assumes."""
    repeat = row.get('repeat', 1)
    text = row['text'] * repeat
    tokenizer.no_truncation()
    ids = tokenizer.encode(text).ids
    for limit in (256, 128, 2, 3):
        tokenizer.enable_truncation(limit)
        cut = ids if len(ids) <= limit else ids[:limit - 1] + ids[-1:]
        assert tokenizer.encode(text).ids == cut, (limit, text)
    content = ids[1:-1]
    block = content[:len(content) // repeat]
    return {'block': block, 'repeat': repeat} if repeat > 1 and block * repeat == content else {'ids': ids}


def character_line(c, default, keep_accents, pre_tokenizer):
    """Everything the test compares for one character: two normalisations in context, and how it cuts words."""
    around = f'A{c}\u302e\u1b44\u0301{c}'
    words = len(pre_tokenizer.pre_tokenize_str(f'a{c}b'))
    return f'{default.normalize_str(around)}|{keep_accents.normalize_str(around)}|{words}\n'


def characters():
    default = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=True)
    keep_accents = normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=True)
    pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    for first in range(0, 0x110000, 4096):
        lines = ''.join(character_line(chr(c), default, keep_accents, pre_tokenizer) for c in range(first, first + 4096)
                        if not 0xd800 <= c < 0xe000)
        yield {'first': first, 'sha256': hashlib.sha256(lines.encode()).hexdigest()}


def write(path, rows):
    path.write_text(''.join(json.dumps(row, separators=(',', ':')) + '\n' for row in rows), encoding='ascii')
    assert path.stat().st_size < 200_000, (path, path.stat().st_size)


def main():
    model, out = map(pathlib.Path, sys.argv[1:3])
    tokenizer = Tokenizer.from_file(str(model / 'tokenizer.json'))
    tokenizer.no_padding()
    tokens = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    vocabulary = [token.removeprefix('##') for token, _ in tokens if not token.startswith('[')]
    rows = list(varied_texts(vocabulary))
    assert len(rows) == 500, len(rows)
    write(out / 'texts.jsonl', rows)
    write(out / 'ids.jsonl', [ids_row(tokenizer, row) for row in rows])
    write(out / 'characters.jsonl', characters())


if __name__ == '__main__':
    main()
