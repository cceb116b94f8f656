import FlashVID
